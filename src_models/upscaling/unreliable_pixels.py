"""What a result cannot be trusted in, counted while it is made and told at its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src_models.errors import warn
from src_models.images.intensity import IntensityRange

# Up to this share, hot pixels explain pixels far out of range.
_MANY_FAR = 0.002
_FEW_PIXELS = 100


@dataclass(slots=True)
class UnreliablePixels:
    """How many pixels of an image were seen, are not finite, or lie far out of its range."""

    seen: int = 0
    not_finite: int = 0
    far: int = 0

    def note(self, residual: NDArray[np.float64], levels: IntensityRange) -> None:
        """Count the pixels of a tile by what goes round the network.

        Those far out of range do so for their intensity, others for their digits.
        """
        finite = residual[np.isfinite(residual)]
        self.seen += residual.size
        self.not_finite += residual.size - finite.size
        self.far += int((np.abs(finite) > 0.01 * (levels.high - levels.low)).sum())

    def warn(self, counted: bool = True) -> None:
        """Tell of what the result cannot be trusted in.

        Parameters
        ----------
        counted : bool
            Say how many pixels; without, Python tells it once however many parts say it.
        """
        if self.far > max(_FEW_PIXELS, _MANY_FAR * self.seen):
            how_many = f"{self.far / self.seen:.1%}" if counted else "Some"
            warn(
                f"{how_many} of the pixels lie far outside the range of "
                "intensities that was measured, and were repeated instead of upscaled. A sample "
                "of a lazy array may have missed them: load the array into memory, or upscale "
                "bright and dim planes apart."
            )
        if self.not_finite:
            one = counted and self.not_finite == 1
            warn(
                f"{self.not_finite if counted else 'Some'} pixel{'s' * (not one)} of the image "
                f"{'is' if one else 'are'} not finite (NaN or infinite), and so is the result "
                "there; pixels around are estimated as if the nearest finite one stood there."
            )
