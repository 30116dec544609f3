"""The Batch widget's fields, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, ComboBox, FileEdit, LineEdit

from napari_isr.widgets.batch.layers import BatchLayer
from napari_isr.widgets.batch.run import BatchRequest
from napari_isr.widgets.shared.fields import Note, automatic_box, engine_box, narrow_combo
from napari_isr.widgets.shared.layout import Fold, Row, vbox
from napari_isr.widgets.shared.trust_fields import EnsembleLink, ensemble_box, intensities_box
from src_models.jobs.batch_events import BatchSettings
from src_models.models.description import ModelDescription

FOLDER, LAYERS = "a folder", "the selected layers"
_USUAL_OUTPUT = "upscaled"
_FORMATS = [
    ("like the input", "auto"),
    ("OME-TIFF", "ome-tiff"),
    ("ImageJ TIFF", "imagej"),
    ("PNG", "png"),
    ("OME-Zarr", "ome-zarr"),
]
_EXISTING = [
    ("leave it as it is", "skip"),
    ("write beside it, with a number", "number"),
    ("replace it", "overwrite"),
]
_UNCERTAINTIES = [("no file of the uncertainty", False), ("file of the standard deviation", True)]


@dataclass(frozen=True)
class BatchPlan:
    """What the form asks for, or what is missing.

    Attributes
    ----------
    source_words, output_words, model_words, axes_words : str
        What to show under the fields.
    missing : tuple of str
        Which of "source", "output", "model" and "axes" keep it from starting.
    request : BatchRequest or None
        None if something is missing.
    """

    source_words: str
    output_words: str
    model_words: str
    axes_words: str
    missing: tuple[str, ...]
    request: BatchRequest | None = None


class BatchFields:
    """Where images come from and go to; the rest is folded away.

    Parameters
    ----------
    model_choices : callable
        Gives what can be chosen; called with a combo box as magicgui does.
    """

    def __init__(self, model_choices: Callable[..., Any]) -> None:
        self.source = ComboBox(
            name="source", choices=[FOLDER, LAYERS], tooltip="What is upscaled: files or layers."
        )
        self.folder = _folder_edit("folder", "The folder of images. They are never changed.")
        self.model = narrow_combo("model", "Model", "The network that upscales.", model_choices)
        self.output = _folder_edit(
            "output", "Where the results are written. The folder is made if it is missing."
        )
        self.source_note, self.output_note = Note("source"), Note("output")
        self.model_note, self.axes_note = Note("model"), Note("axes")
        self._folder_row = Row(self.folder, "Folder")
        self.basic = vbox(
            Row(self.source, "From"),
            self._folder_row,
            self.source_note,
            Row(self.model, "Model"),
            self.model_note,
            Row(self.output, "Results in"),
            self.output_note,
        )
        self._make_others()
        self.fold = Fold("More choices", self.others)
        self.native = vbox(self.basic, self.fold)

    def _make_others(self) -> None:
        self.pattern = LineEdit(
            name="pattern", value="*", tooltip="Which files of the folder, such as *.tif or cell?_*"
        )
        self.recursive = CheckBox(
            name="recursive",
            text="Also the folders inside",
            tooltip="They are made again where the results are.",
        )
        self.file_format = ComboBox(
            name="file_format",
            choices=_FORMATS,
            tooltip="Like the input: PNG for PNG and JPEG, OME-Zarr for OME-Zarr, and OME-TIFF "
            "for all others.",
        )
        self.existing = ComboBox(
            name="existing",
            choices=_EXISTING,
            tooltip="What to do where there is a file under the name of a result. One that an "
            "earlier run made of the same image with the same settings is left in any case.",
        )
        self.axes = LineEdit(
            name="axes",
            tooltip="Meaning of the dimensions of all files, such as ZYX, where the files say it "
            "wrongly.",
        )
        self.axes.native.setPlaceholderText("as the files say")
        self.engine = engine_box()
        self.tile_size = automatic_box(
            "tile_size", "Tile size", "Width and height of the tiles, in input pixels."
        )
        self.self_ensemble, self.keep_intensities = ensemble_box(), intensities_box()
        self.uncertainty = ComboBox(
            name="uncertainty",
            choices=_UNCERTAINTIES,
            tooltip="A second file beside each result, bright where the result is likely to be "
            "wrong, in the image's own intensity units: how far the answers to eight flips and "
            "turns are apart. It takes eight times the time, and does not bound the error.",
        )
        self._tie = EnsembleLink(self.self_ensemble, self.uncertainty)
        self._pattern_row = Row(self.pattern, "Files", self.recursive)
        rows = [
            self._pattern_row,
            Row(self.file_format, "Format"),
            Row(self.existing, "If it exists"),
            Row(self.axes, "Axes"),
            Row(self.engine, "Engine"),
            Row(self.tile_size, "Tile size"),
            Row(self.self_ensemble, "Trust"),
            Row(self.uncertainty, ""),
            Row(self.keep_intensities, ""),
        ]
        self.others = vbox(*rows[:4], self.axes_note, *rows[4:])

    @property
    def changing(self) -> list[Any]:
        """The fields whose changes matter, but for `model`."""
        first = [self.source, self.folder, self.output, self.pattern, self.recursive]
        trust = [self.self_ensemble, self.uncertainty, self.keep_intensities]
        others = [self.file_format, self.existing, self.axes, self.engine, self.tile_size]
        return [*first, *others, *trust]

    def arrange(self) -> None:
        """Show the fields that fit the choices."""
        of_files = self.source.value == FOLDER
        self._folder_row.visible = self._pattern_row.visible = of_files
        usual = f"{_USUAL_OUTPUT}, in that folder" if of_files else ""
        self.output.line_edit.native.setPlaceholderText(usual)

    def say(self, plan: BatchPlan, theme: str) -> None:
        """Show under the fields what is chosen, or what is missing."""
        notes = {
            "source": (self.source_note, plan.source_words),
            "output": (self.output_note, plan.output_words),
            "model": (self.model_note, plan.model_words),
            "axes": (self.axes_note, plan.axes_words),
        }
        for name, (note, words) in notes.items():
            note.say(words, complaint=name in plan.missing and bool(words), theme=theme)

    def plan(
        self, description: ModelDescription | None, layers: Sequence[BatchLayer], others: int
    ) -> BatchPlan:
        """Return what is asked for; no file is looked at.

        Parameters
        ----------
        description : ModelDescription, optional
            Of the model chosen.
        layers : sequence of BatchLayer
            The selected image layers.
        others : int
            How many of the selected layers are no images.
        """
        missing = []
        folder, output = path_in(self.folder), path_in(self.output)
        source: Path | tuple[BatchLayer, ...] | None
        if self.source.value == FOLDER:
            source = folder
            source_words = "" if folder else "First choose a folder of images."
            output = output or (folder / _USUAL_OUTPUT if folder else None)
            output_words = ""
        else:
            source = tuple(layers) or None
            source_words = _layers_in_words(len(layers), others)
            output_words = "" if output or not layers else "Choose a folder for the results."
        axes = self.axes.value.strip().upper()
        axes_words = _axes_complaint(axes)
        model_words = "Choose a model, or open a file."
        if description is not None:
            model_words = f"x{description.scale}. {description.summary}"
        self.model_note.tooltip = description.in_words if description else ""
        for name, is_missing in [
            ("source", source is None),
            ("output", output is None),
            ("model", description is None),
            ("axes", bool(axes_words)),
        ]:
            if is_missing:
                missing.append(name)
        words = (source_words, output_words, model_words, axes_words, tuple(missing))
        if missing or source is None or output is None or description is None:
            return BatchPlan(*words)
        settings = BatchSettings(
            model=self.model.value,
            engine=self.engine.value,
            axes=axes or None,
            tile_size=None if self.tile_size.value < 1 else int(self.tile_size.value),
            self_ensemble=bool(self.self_ensemble.value),
            uncertainty=bool(self.uncertainty.value),
            keep_intensities=bool(self.keep_intensities.value),
            existing=self.existing.value,
            journal=output,
        )
        request = BatchRequest(
            source=source,
            output=output,
            model=description,
            settings=settings,
            file_format=self.file_format.value,
            recursive=bool(self.recursive.value),
            pattern=self.pattern.value.strip() or "*",
        )
        return BatchPlan(*words, request)


def _folder_edit(name: str, tooltip: str) -> FileEdit:
    return FileEdit(name=name, mode=FileDialogMode.EXISTING_DIRECTORY, tooltip=tooltip)


def path_in(field: FileEdit) -> Path | None:
    """Return the path that a field holds, or None if it is empty."""
    text = str(field.line_edit.value).strip()
    return None if text in ("", ".") else Path(text).expanduser()


def _layers_in_words(count: int, others: int) -> str:
    if not count:
        return "First select image layers in the list of layers; Ctrl-click selects several."
    told = "1 image layer is" if count == 1 else f"{count} image layers are"
    left = "" if not others else f" {others} of other types will be left out."
    return f"{told} selected.{left}"


def _axes_complaint(axes: str) -> str:
    if not axes or (axes.isalpha() and len(set(axes)) == len(axes) and {"Y", "X"} <= set(axes)):
        return ""
    return "Axes are one letter a dimension, with Y and X among them, such as ZYX."
