"""The Upscale dock widget: choices in, a worker started, a layer out."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import (
    ComboBox,
    Container,
    FloatSlider,
    Label,
    LineEdit,
    ProgressBar,
    PushButton,
    SpinBox,
)
from qtpy.QtWidgets import QFileDialog
from superqt.utils import ensure_main_thread

from napari_isr._docked import WhileOpen
from napari_isr._events import model_events
from napari_isr._fields import (
    Note,
    automatic_box,
    engine_box,
    explain_items,
    folded,
    labelled_rows,
    narrow_combo,
)
from napari_isr._help import help_link
from napari_isr._layers import (
    LayerSource,
    guess_basis,
    layer_axes,
    layer_type,
    result_layer,
    visible_region,
)
from napari_isr._qt_workers import new_worker
from napari_isr._upscale_advice import AdviceNote
from napari_isr._upscale_form import Job, check_job, named_descriptions
from napari_isr._workers import (
    Loading,
    Upscaled,
    UpscaleSettings,
    show_our_warning,
    upscaling,
)
from src_models.axes import is_lazy
from src_models.errors import SuperResolutionError
from src_models.pretrained import DEFAULT_MODEL, describe_model
from src_models.timing import in_words

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_OPEN_FILE = "open a model file…"
_PREVIEW_SECONDS = 1.0
_REDRAW_SECONDS = 0.1


class UpscaleWidget(Container[Any], WhileOpen):
    """Upscale the active image layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered, and where results are added.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(labels=False, name="upscale")
        self._viewer = viewer
        self._models = named_descriptions()
        self._worker: Any = None
        self._is_open = self._follows = True
        self._chosen: Any = None
        self._guessed_by: tuple[Any, ...] = ()
        self._file_complaint = ""
        self._has_run: set[tuple[str, str]] = set()
        self._last_model = DEFAULT_MODEL if DEFAULT_MODEL in self._models else None
        self._speeds: dict[tuple[str, str], float] = {}
        self._make_widgets()
        explain_items(self.model, lambda key: self._models[key].summary)
        self._connect()
        self._follow_active_layer()

    def _make_widgets(self) -> None:
        self.layer = narrow_combo(
            "layer",
            "Layer",
            "The image to upscale. It is never changed.",
            self._image_layers,
            nullable=True,
        )
        self.model = narrow_combo(
            "model", "Model", "The network that upscales.", self._model_choices
        )
        self.sharpness = FloatSlider(
            label="Sharpness",
            min=0.0,
            max=1.0,
            step=0.05,
            value=1.0,
            visible=False,
            tooltip="0 is the faithful model, 1 looks sharpest; between them lie networks whose "
            "weights are mixed.",
        )
        self.sharpness.native.setToolTip(self.sharpness.tooltip)
        self.axes = LineEdit(
            label="Axes",
            tooltip="One letter per dimension: Y and X are upscaled, C holds channels, others "
            "(Z, T, ...) are looped over.",
        )
        self.layer_note, self.model_note = Note("layer"), Note("model")
        self.axes_note, self.plan_note = Note("axes"), Note("plan")
        self.advice_note = AdviceNote()
        fields = labelled_rows(
            [
                (self.layer, self.layer_note),
                (self.model, self.model_note),
                (self.sharpness, None),
                (self.axes, self.axes_note),
            ]
        )
        self.tile_size = automatic_box(
            "tile_size", "Tile size", "Width and height of the tiles, in input pixels."
        )
        self.overlap = automatic_box(
            "overlap", "Overlap", "Input pixels of context around each tile."
        )
        self.batch_size = automatic_box("batch_size", "Batch", "Tiles that are run at a time.")
        self.engine = engine_box()
        hint = Label(value="-1 leaves the choice to napari-isr.")
        advanced = Container[Any](widgets=[hint, *self._advanced, self.engine], labels=True)
        self.preview = PushButton(
            text="Preview what I see",
            tooltip="Upscale only what the canvas shows, in about a second.",
        )
        self.run = PushButton(text="Run", tooltip="Upscale the whole layer into a new one.")
        self.cancel = PushButton(text="Cancel", tooltip="Stop after the tile in work.")
        buttons = Container[Any](widgets=[self.run, self.cancel], layout="horizontal", labels=False)
        buttons.margins = (0, 0, 0, 0)
        self.progress = ProgressBar(visible=False)
        self.status = Note("status")
        work = [self.preview, buttons, self.progress, self.status]
        self.extend([fields, self.advice_note, self.plan_note, *work])
        layout = self.native.layout()
        layout.insertWidget(2, folded("Advanced settings", advanced.native))
        layout.addWidget(help_link("upscale"))
        layout.addStretch()
        self._advanced_container = advanced

    @property
    def _advanced(self) -> list[SpinBox]:
        return [self.tile_size, self.overlap, self.batch_size]

    def _connect(self) -> None:
        layers = self._viewer.layers
        layers.events.inserted.connect(self._layers_changed)
        layers.events.removed.connect(self._layers_changed)
        layers.events.renamed.connect(self._layers_changed)
        layers.selection.events.active.connect(self._follow_active_layer)
        self._viewer.events.theme.connect(self._refresh)
        self.layer.changed.connect(self._layer_chosen)
        self.model.changed.connect(self._model_chosen)
        self.axes.changed.connect(self._refresh)
        self.engine.changed.connect(self._refresh)
        self.sharpness.changed.connect(self._refresh)
        self.run.clicked.connect(self._run_all)
        self.preview.clicked.connect(self._run_preview)
        self.cancel.clicked.connect(self._cancel)
        model_events.saved.connect(self._models_changed)
        self.native.destroyed.connect(lambda: self._close())

    # What is chosen -----------------------------------------------------------------------------

    def _image_layers(self, _combo: ComboBox | None = None) -> list[napari.layers.Image]:
        from napari.layers import Image

        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def _model_choices(self, _combo: ComboBox | None = None) -> list[tuple[str, str]]:
        names = [(Path(key).stem if _is_path(key) else key, key) for key in self._models]
        return [*names, (_OPEN_FILE, _OPEN_FILE)]

    @ensure_main_thread  # type: ignore[untyped-decorator,unused-ignore]
    def _models_changed(self, _name: str) -> None:
        """Offer a model that was saved just now; what is chosen stays chosen."""
        if self._is_open:
            self._models |= named_descriptions()
            self.model.reset_choices()

    def _layers_changed(self) -> None:
        """Offer the layers there are; the one that was chosen stays so while it exists."""
        self._choose_layer(self._chosen)

    def _follow_active_layer(self) -> None:
        if not self._follows:
            return
        active = self._viewer.layers.selection.active
        self._choose_layer(active if active in self._image_layers() else self._chosen)

    def _choose_layer(self, wanted: napari.layers.Layer | None) -> None:
        images = self._image_layers()
        if wanted not in images:
            active = self._viewer.layers.selection.active
            wanted = active if active in images else (images[-1] if images else None)
        with self.layer.changed.blocked():
            self.layer.reset_choices()
            self.layer.value = wanted
        self._layer_chosen(wanted)

    def _layer_chosen(self, layer: napari.layers.Image | None) -> None:
        """Guess the axes of a layer when it is chosen, not again while it stays as it is."""
        if layer is not self._chosen:
            for old, connect in ((self._chosen, False), (layer, True)):
                if old is not None:
                    for event in (old.events.data, old.events.axis_labels):
                        (event.connect if connect else event.disconnect)(self._layer_edited)
            self._chosen = layer
            self._guess_axes()
        self._refresh()

    def _layer_edited(self) -> None:
        self._guess_axes()
        self._refresh()

    def _guess_axes(self) -> None:
        """Guess anew if what the guess goes by has changed; what was typed stays otherwise."""
        if self._chosen is None:
            return
        try:
            basis = (id(self._chosen), *guess_basis(self._chosen))
            guess = layer_axes(self._chosen)
        except SuperResolutionError:
            basis, guess = (), ""
        if basis != self._guessed_by or not basis:
            self._guessed_by = basis
            with self.axes.changed.blocked():
                self.axes.value = guess

    def _model_chosen(self, choice: str | None) -> None:
        if choice == _OPEN_FILE:
            path, _ = QFileDialog.getOpenFileName(
                self.native,
                "Open a model file",
                "",
                "Model files (*.keras *.onnx *.hdf5 *.h5);;All (*)",
            )
            self.open_model_file(path)
        else:
            self._last_model, self._file_complaint = choice, ""
            self._refresh()

    def open_model_file(self, path: str | Path) -> None:
        """Add a model file to the list and choose it; with an empty path nothing changes.

        A file that cannot be used is explained under the field, and the last model stays chosen.
        """
        self._file_complaint = ""
        if str(path) not in ("", "."):
            try:
                self._models[str(path)] = describe_model(path)
                self._last_model = str(path)
            except SuperResolutionError as error:
                self._file_complaint = str(error)
        with self.model.changed.blocked():
            self.model.reset_choices()
            self.model.value = self._last_model
        self._refresh()

    def _refresh(self) -> None:
        """Say what would happen, or what keeps it from happening."""
        if self._worker is not None:
            return
        job = self._job()
        theme = self._viewer.theme
        self.sharpness.visible = self._can_be_sharper
        active = self._viewer.layers.selection.active
        layer_note = job.layer_complaint
        if not layer_note and active is not None and active not in self._image_layers():
            layer_note = (
                f"The active layer {active.name!r} is of type {layer_type(active)}, "
                "which cannot be upscaled. The image chosen here will be."
            )
        self.layer_note.say(layer_note, complaint=bool(job.layer_complaint), theme=theme)
        self.model_note.say(
            self._file_complaint or job.model_words,
            complaint=bool(self._file_complaint) or job.config is None,
            theme=theme,
        )
        self.axes_note.say(job.axes_complaint, complaint=True, theme=theme)
        self.advice_note.advise(job.subject, theme)
        self.plan_note.say(job.plan)
        self.run.enabled = self.preview.enabled = job.is_possible
        self.cancel.enabled = False

    def _job(self) -> Job:
        model = self.model.value
        description = self._models.get(model) if model else None
        if description and self._can_be_sharper and self.sharpness.value == 0:
            description = self._models.get(description.faithful, description)
        engine = self.engine.value
        speed = self._speeds.get((model, engine))
        return check_job(self.layer.value, description, self.axes.value, speed, engine)

    @property
    def _can_be_sharper(self) -> bool:
        description = self._models.get(self.model.value or "")
        return bool(description and description.faithful)

    @property
    def _model(self) -> str:
        """The model's name, with the sharpness after it where one can be chosen."""
        name, sharpness = str(self.model.value), float(self.sharpness.value)
        return f"{name}@{sharpness:g}" if self._can_be_sharper and sharpness < 1 else name

    # Work ---------------------------------------------------------------------------------------

    def _settings(self, **changes: Any) -> UpscaleSettings:
        tile_size, overlap, batch_size = (
            None if box.value < 0 else int(box.value) for box in self._advanced
        )
        return UpscaleSettings(
            model=self._model,
            axes=self.axes.value.strip().upper(),
            tile_size=tile_size,
            overlap=overlap,
            batch_size=batch_size,
            engine=self.engine.value,
            **changes,
        )

    def _run_all(self) -> None:
        job = self._job()
        if job.is_possible:
            source = LayerSource.of(self.layer.value, self.axes.value)
            self._start(source, self._settings(), job)
        else:  # the layer changed behind the form's back
            self._refresh()

    def _run_preview(self) -> None:
        job = self._job()
        try:
            source = LayerSource.of(self.layer.value, self.axes.value)
            region, planes = visible_region(
                self._viewer,
                self.layer.value,
                source,
                job.pixels_in(_PREVIEW_SECONDS),
                job.together,
            )
        except SuperResolutionError as error:
            self._complain(self.status, str(error))
            return
        self._start(source, self._settings(region=region, planes=planes), job)

    def _start(self, source: LayerSource, settings: UpscaleSettings, job: Job) -> None:
        """Start the work; what is shown of it is up to the slots below."""
        self.run.enabled = self.preview.enabled = False
        self.cancel.enabled = True
        self.progress.visible = True
        self.progress.max = 0  # busy
        self.status.say("Starting …")
        self._redrawn = 0.0
        self._first: tuple[float, int] | None = None
        self._worker = new_worker(upscaling, source.array, settings)
        worker, open_only = self._worker, self._while_open
        worker.yielded.connect(open_only(self._show_progress))
        worker.returned.connect(open_only(partial(self._show_result, source, settings, job)))
        worker.warned.connect(show_our_warning)
        worker.errored.connect(open_only(self._show_error))
        worker.aborted.connect(open_only(self._cancelled))
        worker.finished.connect(open_only(self._finished))
        worker.start()

    def _show_progress(self, step: Any) -> None:
        now = time.monotonic()
        if isinstance(step, Loading):
            start = (
                " The first time in a session starts the backend, which takes some seconds and "
                "may hold the window for a moment"
            )
            self.status.say(f"Loading the network.{start if step.starts_keras else ''} …")
            return
        if step.done == 0:
            self._first = None
            self.progress.max = step.total
            self.progress.value = 0
            self.status.say(f"Tile 1 of {step.total} …")
        # Signals may come faster than a window should be redrawn.
        elif now - self._redrawn > _REDRAW_SECONDS:
            self._redrawn = now
            self.progress.max = step.total
            self.progress.value = step.done
            self._first = self._first or (now, step.done)
            since, done = now - self._first[0], step.done - self._first[1]
            left = f", {in_words(since / done * (step.total - step.done))} left" if done else ""
            self.status.say(f"{step.done} of {step.total} tiles{left}")

    def _show_result(
        self, source: LayerSource, settings: UpscaleSettings, job: Job, result: Upscaled
    ) -> None:
        layer = result_layer(source, result.pixels, result.record, settings.region, settings.planes)
        model = str(settings.model), settings.engine
        # A single tile tells the speed too, once the network is compiled.
        once = 1 / max(result.seconds, 1e-3) if model in self._has_run else 0.0
        self._has_run.add(model)
        lazy = is_lazy(result.pixels)
        if settings.region is None and not lazy and (result.speed or once):
            self._speeds[model] = job.speed_seen(result.speed or once)
        old = self._last_preview(layer) if settings.region else None
        if old is not None:
            old.data = layer.data
            old.scale, old.translate, old.metadata = layer.scale, layer.translate, layer.metadata
            self.status.say(f"Done in {result.seconds:.1f} s: layer {old.name!r} renewed.")
            return
        # napari makes the result active; what is to be upscaled stays chosen all the same.
        self._follows = False
        self._viewer.add_layer(layer)
        self._follows = True
        how = " Zoom in: it is computed as you look at it." if lazy else ""
        self.status.say(f"Done in {result.seconds:.1f} s: layer {layer.name!r} added.{how}")

    def _last_preview(self, layer: napari.layers.Image) -> napari.layers.Image | None:
        """Return the layer that an earlier preview of the same layer and model made."""
        for old in self._image_layers():
            if old.name == layer.name and old.ndim == layer.ndim and "napari-isr" in old.metadata:
                return old
        return None

    def _show_error(self, error: Exception) -> None:
        self._complain(self.status, str(error))

    def _cancelled(self) -> None:
        self.status.say("Cancelled. Nothing was changed.")

    def _finished(self) -> None:
        self._worker = None
        self.progress.visible = False
        self._refresh()

    def _cancel(self) -> None:
        self._quit_worker()
        self.cancel.enabled = False
        self.status.say("Cancelling after the tile in work …")

    def _quit_worker(self) -> None:
        if self._worker is not None:
            self._worker.quit()

    def _close(self) -> None:
        """Let go of everything when the dock is closed; its Qt widgets are gone already."""
        self._quit_worker()
        self._is_open = False
        model_events.saved.disconnect(self._models_changed)
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._layers_changed)
        layers.events.removed.disconnect(self._layers_changed)
        layers.events.renamed.disconnect(self._layers_changed)
        layers.selection.events.active.disconnect(self._follow_active_layer)
        self._viewer.events.theme.disconnect(self._refresh)

    def _complain(self, note: Note, text: str) -> None:
        note.say(text, complaint=True, theme=self._viewer.theme)


def _is_path(key: str) -> bool:
    return Path(key).name != key
