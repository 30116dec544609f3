"""The Upscale dock widget: choices in, a worker started, a layer out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from superqt.utils import ensure_main_thread

from napari_isr.bridge.events import model_events
from napari_isr.bridge.layers import LayerSource, layer_type, result_layer, visible_region
from napari_isr.bridge.trust_layers import assessment_layers
from napari_isr.bridge.upscaling import Upscaled, UpscaleSettings, show_own_warning, upscaling
from napari_isr.widgets.shared.dock import WhileOpen
from napari_isr.widgets.shared.fields import Note, explain_items
from napari_isr.widgets.shared.layer_note import LayerStatus
from napari_isr.widgets.shared.model_list import named_descriptions
from napari_isr.widgets.shared.model_opening import ModelOpening
from napari_isr.widgets.shared.worker import new_worker
from napari_isr.widgets.upscale.form import Job, check_job
from napari_isr.widgets.upscale.layer_choice import ChosenLayer, image_layers
from napari_isr.widgets.upscale.panel import UpscalePanel
from napari_isr.widgets.upscale.progress import UpscaleBoard
from src_models.errors import SuperResolutionError
from src_models.images.axes import is_lazy
from src_models.models.registry import DEFAULT_MODEL, describe_model

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_OPEN_FILE = "open a model file…"
_PREVIEW_SECONDS = 1.0


class UpscaleWidget(UpscalePanel, WhileOpen):
    """Upscale the active image layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered, and where results are added.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._models = named_descriptions()
        self._worker: Any = None
        self._is_open = True
        self._file_complaint = ""
        self._has_run: set[tuple[str, str]] = set()
        self._last_model = DEFAULT_MODEL if DEFAULT_MODEL in self._models else None
        self._speeds: dict[tuple[str, str], float] = {}
        super().__init__(lambda _combo=None: image_layers(viewer), self._model_choices)
        explain_items(self.model, lambda key: self._models[key].summary)
        self._opening = ModelOpening(
            self.model, self.open_model_file, self._cannot_be_opened, self._refresh
        )
        self._board = UpscaleBoard(self.progress, self.status)
        self._news = LayerStatus(viewer, self.status)
        self._chosen = ChosenLayer(viewer, self.layer, self.axes, self._refresh)
        self._connect()
        self._chosen.follow_active()

    def _connect(self) -> None:
        self._viewer.events.theme.connect(self._refresh)
        self.model.changed.connect(self._model_chosen)
        self.engine.changed.connect(self._refresh)
        self.trust.container.changed.connect(self._refresh)
        self.sharpness.changed.connect(self._refresh)
        self.run.clicked.connect(self._run_all)
        self.preview.clicked.connect(self._run_preview)
        self.cancel.clicked.connect(self._cancel)
        model_events.saved.connect(self._models_changed)
        self.native.destroyed.connect(lambda: self._close())

    # What is chosen -----------------------------------------------------------------------------

    def _model_choices(self, _combo: ComboBox | None = None) -> list[tuple[str, str]]:
        names = [(Path(key).stem if _is_path(key) else key, key) for key in self._models]
        return [*names, (_OPEN_FILE, _OPEN_FILE)]

    @ensure_main_thread  # type: ignore[untyped-decorator,unused-ignore]
    def _models_changed(self, _name: str) -> None:
        """Offer a model that was saved just now; what is chosen stays chosen."""
        if self._is_open:
            self._models |= named_descriptions()
            self.model.reset_choices()

    def _model_chosen(self, choice: str | None) -> None:
        if choice == _OPEN_FILE:
            self._opening.ask(self.native)
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

    def _cannot_be_opened(self, complaint: str) -> None:
        self._file_complaint = complaint
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
        if not layer_note and active is not None and active not in image_layers(self._viewer):
            layer_note = (
                f"The active layer {active.name!r} is of type {layer_type(active)}, "
                "which cannot be upscaled. The image chosen here will be."
            )
        self.layer_note.say(layer_note, complaint=bool(job.layer_complaint), theme=theme)
        self.model_note.say(
            self._opening.words or self._file_complaint or job.model_words,
            complaint=not self._opening.words
            and (bool(self._file_complaint) or job.config is None),
            theme=theme,
        )
        self.axes_note.say(job.axes_complaint, complaint=True, theme=theme)
        self.advice_note.advise(job.subject, theme)
        self.plan_note.say(job.plan)
        self.run.enabled = self.preview.enabled = job.is_possible and not self._opening.words
        self.cancel.enabled = False

    def _job(self) -> Job:
        model = self.model.value
        description = self._models.get(model) if model else None
        if description and self._can_be_sharper and self.sharpness.value == 0:
            description = self._models.get(description.faithful, description)
        engine = self.engine.value
        speed = self._speeds.get((model, engine))
        trust = self.trust.chosen
        return check_job(self.layer.value, description, self.axes.value, speed, engine, trust)

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
        return UpscaleSettings(
            model=self._model,
            axes=self.axes.value.strip().upper(),
            engine=self.engine.value,
            **self.tiling,
            **changes,
        )

    def _run_all(self) -> None:
        job = self._job()
        if job.is_possible:
            source = LayerSource.of(self.layer.value, self.axes.value)
            self._start(source, self._settings(trust=job.trust), job)
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
        settings = self._settings(region=region, planes=planes, trust=job.trust)
        self._start(source, settings, job)

    def _start(self, source: LayerSource, settings: UpscaleSettings, job: Job) -> None:
        """Start the work; what is shown of it is up to the slots below."""
        self.run.enabled = self.preview.enabled = False
        self.cancel.enabled = True
        self._board.begin()
        self._worker = new_worker(upscaling, source.array, settings)
        worker, open_only = self._worker, self._while_open
        worker.yielded.connect(open_only(self._board.show))
        worker.returned.connect(open_only(partial(self._show_result, source, settings, job)))
        worker.warned.connect(show_own_warning)
        worker.errored.connect(open_only(self._show_error))
        worker.aborted.connect(open_only(self._cancelled))
        worker.finished.connect(open_only(self._finished))
        worker.start()

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
        took = f"Done in {result.seconds:.1f} s"
        old = self._last_preview(layer) if settings.region else None
        if old is not None:
            old.data = layer.data
            old.scale, old.translate, old.metadata = layer.scale, layer.translate, layer.metadata
            self._news.tell(old, lambda: f"{took}: layer {old.name!r} renewed.")
            return
        # napari makes the result active; what is to be upscaled stays chosen all the same.
        self._chosen.follows = False
        try:
            self._viewer.add_layer(layer)
            further = assessment_layers(source, layer.name, settings.trust, result)
            for other in further:
                self._viewer.add_layer(other)
            self._viewer.layers.selection.active = layer
        finally:
            self._chosen.follows = True
        words = []
        if lazy:
            words.append("Zoom in: it is computed as you look at it.")
        if result.consistency is not None:
            words.append(f"Compared with the image, {result.consistency.in_words}.")
        if further:
            kinds = " and ".join(other.name.rpartition(": ")[2] for other in further)
            words.append(f"Hidden above it: {kinds}.")
        self._news.tell(layer, lambda: " ".join([f"{took}: layer {layer.name!r} added.", *words]))

    def _last_preview(self, layer: napari.layers.Image) -> napari.layers.Image | None:
        """Return the layer that an earlier preview of the same layer and model made."""
        for old in image_layers(self._viewer):
            if old.name == layer.name and old.ndim == layer.ndim and "napari-isr" in old.metadata:
                return old
        return None

    def _show_error(self, error: Exception) -> None:
        self._complain(self.status, str(error))

    def _cancelled(self) -> None:
        self.status.say("Cancelled. Nothing was changed.")

    def _finished(self) -> None:
        self._worker = None
        self._board.end()
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
        self._opening.disconnect_all()
        self._is_open = False
        model_events.saved.disconnect(self._models_changed)
        self._chosen.disconnect_all()
        self._news.disconnect_all()
        self._viewer.events.theme.disconnect(self._refresh)

    def _complain(self, note: Note, text: str) -> None:
        note.say(text, complaint=True, theme=self._viewer.theme)


def _is_path(key: str) -> bool:
    return Path(key).name != key
