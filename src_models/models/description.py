"""What there is to know of a model without running it, and how it is kept in the model's file.

A model file is an ordinary ``.keras`` archive with one more member, ``napari-isr.json``: the
description below. It can be read without Keras, so a list of models opens in no time.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.config import NetworkConfig
from src_models.models.onnx_config import (
    AnyConfig,
    OnnxConfig,
    any_config_from_dict,
    any_config_to_dict,
)

MEMBER = "napari-isr.json"
FORMAT = 1
# Enough context for most networks: the *effective* receptive field is far below the possible one.
_USUAL_OVERLAP = 16
Intensity = Literal["measured", "8-bit"]
Border = Literal["reflected", "bare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model in words and numbers.

    Attributes
    ----------
    name : str
        Short name for lists, layer names and records.
    config : RDNConfig, RRDNConfig or OnnxConfig
        The network.
    intensity : {"measured", "8-bit"}
        What the network's 0 and 1 stand for: the range measured on the image, or 0 and 255 for
        uint8 images (ISR's convention; images of other types are measured all the same).
    overlap : int or None
        Input pixels around a tile past which the seam stays below one grey level of 255, as
        measured for this model; None where nobody has measured.
    border : {"reflected", "bare"}
        What the network sees past the image's border: the image's reflection, or nothing, so
        that each of its convolutions pads with zeros, as ISR's networks were trained and run.
    summary : str
        What the model is for, in a sentence.
    faithful : str
        Name of the model that this one was fine-tuned from to look sharper, and with which it can
        be interpolated (`src_models.models.weights`); "" for a model that is not made to look
        sharp.
    training : mapping
        Record of the training: data, settings, scores. Plain JSON values.
    """

    name: str
    config: AnyConfig
    intensity: Intensity = "8-bit"
    overlap: int | None = None
    border: Border = "reflected"
    summary: str = ""
    faithful: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.intensity not in get_args(Intensity):
            raise InvalidInputError(
                f"intensity must be 'measured' or '8-bit'. Received: {self.intensity!r}."
            )
        if self.border not in get_args(Border):
            raise InvalidInputError(
                f"border must be 'reflected' or 'bare'. Received: {self.border!r}."
            )
        # From files and users: the annotations are wishes.
        words: tuple[object, ...] = (self.name, self.summary, self.faithful)
        if not all(isinstance(word, str) for word in words):
            raise InvalidInputError(
                f"name, summary and faithful must be text. Received: {words!r}."
            )
        training: object = self.training
        if not isinstance(training, Mapping):
            raise InvalidInputError(f"training must be a mapping. Received: {training!r}.")
        overlap: object = self.overlap
        whole = isinstance(overlap, int) and not isinstance(overlap, bool) and overlap >= 0
        if overlap is not None and not whole:
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
    def network(self) -> NetworkConfig:
        """The settings of a network that we can build.

        Raises
        ------
        ModelFileError
            If it comes from an ONNX file, which only ONNX Runtime can run.
        """
        if isinstance(self.config, OnnxConfig):
            raise ModelFileError(
                f"The model {self.name!r} comes from an ONNX file: it can be used to upscale, but "
                "not be loaded into Keras, trained further or exported. Choose a model of "
                "napari-isr for that."
            )
        return self.config

    @property
    def default_overlap(self) -> int:
        """Input pixels of context around a tile that make seams invisible."""
        if self.overlap is not None:
            return self.overlap
        return min(self.config.receptive_radius, _USUAL_OVERLAP)

    @property
    def largest_tile(self) -> int | None:
        """Width and height of the largest tile that the network takes; None for any."""
        return self.config.largest if isinstance(self.config, OnnxConfig) else None

    @property
    def reflects(self) -> bool:
        """Whether the image goes on past its border, as its reflection."""
        return self.border == "reflected"

    @property
    def in_words(self) -> str:
        """Scale, channels, size, cost, purpose and training data, for people."""
        channels = {1: "1 channel (grey; others one by one)", 3: "3 channels (RGB)"}.get(
            self.channels, f"{self.channels} channels"
        )
        words = (
            f"x{self.scale}, {channels}, {self.config.num_parameters / 1000:,.0f} thousand "
            f"weights, {self.config.operations_per_pixel / 1e6:,.2f} million operations per pixel."
        )
        trained_on = self.training.get("trained_on")
        trained = f"Trained on {trained_on}." if trained_on else ""
        return " ".join(part for part in (words, self.summary, trained) if part)

    def to_json(self) -> str:
        """Return the description as JSON text.

        Raises
        ------
        InvalidInputError
            If the training record holds more than plain JSON values.
        """
        record = {
            "format": FORMAT,
            "name": self.name,
            "config": any_config_to_dict(self.config),
            "intensity": self.intensity,
            "overlap": self.overlap,
            "border": self.border,
            "summary": self.summary,
            "faithful": self.faithful,
            "training": dict(self.training),
        }
        try:
            return json.dumps(record, indent=1)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInputError(
                "The training record must hold plain numbers, words, lists and dicts. "
                f"Received: {self.training!r} ({error})."
            ) from error

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
            return cls(**{**record, "config": any_config_from_dict(record["config"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
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
    try:
        return ModelDescription.from_json(read_member(path, MEMBER))
    except InvalidInputError as error:
        raise ModelFileError(f"{Path(path).name!r} cannot be used: {error}") from error


def read_member(path: str | Path, name: str) -> bytes:
    """Read one member of a model file.

    Raises
    ------
    ModelFileError
        If there is no such file, it is no archive, it is damaged, or it has no such member.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise ModelFileError(
            f"There is no model file {str(path)!r}: check the path, or choose a named model."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                raise ModelFileError(
                    f"{path.name!r} is an archive without the member {name}, which napari-isr "
                    "writes into its model files: choose a .keras file that napari-isr saved."
                )
            return archive.read(name)
    except ModelFileError:
        raise
    except Exception as error:  # zipfile has a dozen kinds for damaged archives
        raise ModelFileError(
            f"{path.name!r} is not a napari-isr model file, or it is damaged ({error}): "
            "choose a .keras file that napari-isr saved, or copy it again."
        ) from error
