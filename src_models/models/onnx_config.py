"""What is known of a network that is not ours and runs from an ONNX file, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

from src_models.checks import check_whole
from src_models.errors import InvalidInputError
from src_models.models.config import NetworkConfig, config_from_dict

Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxConfig:
    """A super-resolution network in an ONNX file.

    Attributes
    ----------
    x : int
        Scale: output pixels per input pixel along an axis.
    c_dim : int
        Number of image channels.
    layout : {"NCHW", "NHWC"}
        Order of batch, height, width and channels.
    data_range : int
        What white is to the network, 1 or 255; black is 0.
    num_parameters : int
        Number of weights.
    operations_per_pixel : int
        Multiplications and additions per input pixel, roughly.
    features : int
        How many numbers per input pixel are there at once, roughly.
    least : int
        Width and height of the smallest image it takes.
    multiple : int
        Sizes differ from `least` by multiples of it.
    fixed_height, fixed_width : int
        The one size it takes; 0 where any will do.
    receptive_radius : int
        How far a pixel is taken to influence the result; nobody knows.
    """

    x: int
    c_dim: int
    layout: Layout
    data_range: int
    num_parameters: int
    operations_per_pixel: int
    features: int
    least: int = 1
    multiple: int = 1
    fixed_height: int = 0
    fixed_width: int = 0
    receptive_radius: int = 64

    network: ClassVar[str] = "onnx"

    def __post_init__(self) -> None:
        for name in ("x", "c_dim", "operations_per_pixel", "features", "least", "multiple"):
            check_whole(name, getattr(self, name))
        for name in ("num_parameters", "fixed_height", "fixed_width", "receptive_radius"):
            check_whole(name, getattr(self, name), 0)
        if self.layout not in get_args(Layout) or self.data_range not in (1, 255):
            raise InvalidInputError(
                "layout must be 'NCHW' or 'NHWC', and data_range 1 or 255. "
                f"Received: layout={self.layout!r}, data_range={self.data_range!r}."
            )

    @property
    def arch_params(self) -> dict[str, int]:
        """Nothing: it has none of the papers' symbols."""
        return {}

    @property
    def largest(self) -> int | None:
        """Width and height of the largest tile it takes; None where any will do."""
        sizes = [size for size in (self.fixed_height, self.fixed_width) if size]
        return min(sizes) if sizes else None

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the smallest size that it takes and that holds an image."""
        free = (
            self.least + -(-max(length - self.least, 0) // self.multiple) * self.multiple
            for length in (height, width)
        )
        own = (self.fixed_height, self.fixed_width)
        first, second = (fixed or size for fixed, size in zip(own, free, strict=True))
        return first, second


AnyConfig = NetworkConfig | OnnxConfig


def any_config_to_dict(config: AnyConfig) -> dict[str, Any]:
    """Return a configuration as plain numbers and words, for a file."""
    return {"network": config.network, **asdict(config)}


def any_config_from_dict(record: Mapping[str, Any]) -> AnyConfig:
    """Read a configuration back from what `any_config_to_dict` gave.

    Raises
    ------
    InvalidInputError
        If the network or a field is unknown, missing or out of range.
    """
    if record.get("network") != OnnxConfig.network:
        return config_from_dict(record)
    fields = {name: value for name, value in record.items() if name != "network"}
    try:
        return OnnxConfig(**fields)
    except TypeError as error:
        raise InvalidInputError(
            f"the fields do not fit an ONNX network. Received: {fields!r} ({error})."
        ) from error
