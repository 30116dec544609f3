"""What there is to know of a model without running it, and how it is kept in the model's file.

A model file is an ordinary ``.keras`` archive with one more member, ``napari-isr.json``: the
description below. It can be read without Keras, so a list of models opens in no time.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from src_models.config import NetworkConfig, config_from_dict, config_to_dict
from src_models.errors import InvalidInputError, ModelFileError

MEMBER = "napari-isr.json"
FORMAT = 1
Intensity = Literal["measured", "8-bit"]
Border = Literal["reflected", "bare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model in words and numbers.

    Attributes
    ----------
    name : str
        Short name for lists, layer names and records.
    config : RDNConfig or RRDNConfig
        The network.
    intensity : {"measured", "8-bit"}
        What the network's 0 and 1 stand for: the range measured on the image, or 0 and 255 for
        uint8 images (ISR's convention; images of other types are measured all the same).
    overlap : int or None
        Input pixels around a tile past which the seam stays below one grey level of 255, as
        measured for this model; None where nobody has measured.
    border : {"reflected", "bare"} or None
        What the network sees past the image's border: the image's reflection, or nothing, so
        that each of its convolutions pads with zeros as in training. None goes by the intensity:
        nothing for "8-bit", ISR's convention again, and the reflection for "measured".
    summary : str
        What the model is for, in a sentence.
    training : mapping
        Record of the training: data, settings, scores. Plain JSON values.
    """

    name: str
    config: NetworkConfig
    intensity: Intensity = "8-bit"
    overlap: int | None = None
    border: Border | None = None
    summary: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.intensity not in get_args(Intensity):
            raise InvalidInputError(
                f"intensity must be 'measured' or '8-bit'. Received: {self.intensity!r}."
            )
        if self.border not in (None, *get_args(Border)):
            raise InvalidInputError(
                f"border must be 'reflected', 'bare' or None. Received: {self.border!r}."
            )
        if self.overlap is not None and self.overlap < 0:
            raise InvalidInputError(
                f"overlap must be None or a whole number from 0. Received: {self.overlap!r}."
            )

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along each axis."""
        return self.config.x

    @property
    def channels(self) -> int:
        """Number of image channels the network takes and gives."""
        return self.config.c_dim

    @property
    def reflects(self) -> bool:
        """Whether the image goes on past its border, as its reflection."""
        if self.border is None:
            return self.intensity == "measured"
        return self.border == "reflected"

    @property
    def in_words(self) -> str:
        """Scale, channels, size, cost and purpose, for people."""
        channels = {1: "1 channel (grey; others one by one)", 3: "3 channels (RGB)"}.get(
            self.channels, f"{self.channels} channels"
        )
        words = (
            f"x{self.scale}, {channels}, {self.config.num_parameters / 1000:,.0f} thousand "
            f"weights, {self.config.operations_per_pixel / 1e6:,.2f} million operations per pixel."
        )
        return f"{words} {self.summary}".strip()

    def to_json(self) -> str:
        """Return the description as JSON text."""
        record = {
            "format": FORMAT,
            "name": self.name,
            "config": config_to_dict(self.config),
            "intensity": self.intensity,
            "overlap": self.overlap,
            "border": self.border,
            "summary": self.summary,
            "training": dict(self.training),
        }
        return json.dumps(record, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelDescription:
        """Read a description from JSON text.

        Raises
        ------
        InvalidInputError
            If it is not JSON, of a newer format, or a field does not fit.
        """
        try:
            record = json.loads(text)
            if record.pop("format") > FORMAT:
                raise InvalidInputError(
                    "the model was saved by a newer version of napari-isr: update napari-isr."
                )
            return cls(**{**record, "config": config_from_dict(record["config"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(f"the description cannot be read ({error}).") from error


def read_description(path: str | Path) -> ModelDescription:
    """Read the description of a model file, without Keras.

    Parameters
    ----------
    path : str or Path
        A model file that `ImageModel.save` wrote.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is not one of ours, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"There is no model file {str(path)!r}: check the path, or choose a named model."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return ModelDescription.from_json(archive.read(MEMBER))
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ModelFileError(
            f"{path.name!r} is not a napari-isr model file, or it is damaged ({error}): "
            "choose a .keras file that napari-isr saved, or copy it again."
        ) from error
    except KeyError as error:
        raise ModelFileError(
            f"{path.name!r} is an archive without a napari-isr description ({MEMBER}): "
            "choose a .keras file that napari-isr saved."
        ) from error
    except InvalidInputError as error:
        raise ModelFileError(f"{path.name!r} cannot be used: {error}") from error
