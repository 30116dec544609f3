"""The models that the Batch widget offers: the named ones, and files that were opened."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox

from src_models.errors import ModelFileError, SuperResolutionError
from src_models.models.description import ModelDescription
from src_models.models.onnx_config import OnnxConfig
from src_models.models.registry import DEFAULT_MODEL, describe_model, model_names

OPEN_FILE = "open a model file…"


def named_descriptions(*, trainable: bool = False) -> dict[str, ModelDescription]:
    """Return the named models with their descriptions; files that are none are left out.

    Nothing is downloaded.

    Parameters
    ----------
    trainable : bool
        Leave out what can be used, but not trained: models from ONNX files.
    """
    descriptions = {}
    for name in model_names():
        with suppress(ModelFileError):
            description = describe_model(name)
            if not (trainable and isinstance(description.config, OnnxConfig)):
                descriptions[name] = description
    return descriptions


class OfferedModels:
    """Fills a combo box with models and remembers what was chosen.

    Attributes
    ----------
    complaint : str
        What is wrong with the file that was opened last; empty if nothing is.
    """

    def __init__(self) -> None:
        self._models = named_descriptions()
        self._last = DEFAULT_MODEL if DEFAULT_MODEL in self._models else None
        self.complaint = ""

    @property
    def default(self) -> str | None:
        """The model that is chosen at first."""
        return self._last

    def choices(self, _combo: Any = None) -> list[tuple[str, str]]:
        """Return names and keys, as magicgui asks for them."""
        names = [(Path(key).stem if Path(key).name != key else key, key) for key in self._models]
        return [*names, (OPEN_FILE, OPEN_FILE)]

    def description(self, key: str | None) -> ModelDescription | None:
        """Return what is known of a model."""
        return self._models.get(key) if key else None

    def summary(self, key: str) -> str:
        """Return what a model of the list is for."""
        return self._models[key].summary

    def renew(self, combo: ComboBox) -> None:
        """Offer the models there are now; what is chosen stays chosen."""
        self._models |= named_descriptions()
        with combo.changed.blocked():
            combo.reset_choices()

    def chosen(self, combo: ComboBox) -> None:
        """Take a choice from the list."""
        self._last, self.complaint = combo.value, ""

    def open_file(self, path: str | Path, combo: ComboBox) -> None:
        """Add a model file and choose it; with an empty path the last model stays chosen."""
        self.complaint = ""
        if str(path) not in ("", "."):
            try:
                self._models[str(path)] = describe_model(path)
                self._last = str(path)
            except SuperResolutionError as error:
                self.complaint = str(error)
        with combo.changed.blocked():
            combo.reset_choices()
            combo.value = self._last
