"""The Train dock widget: images and choices in, a network trained, a named model out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog
from superqt.utils import ensure_main_thread

from napari_isr.bridge.events import model_events
from napari_isr.bridge.upscaling import show_own_warning, with_own_errors
from napari_isr.widgets.shared.fields import Note, explain_items
from napari_isr.widgets.shared.model_list import named_descriptions
from napari_isr.widgets.shared.worker import ClosingWorker, new_worker
from napari_isr.widgets.train.fields import OPEN_FILE, SCRATCH
from napari_isr.widgets.train.form import TrainChoices, check_choices, make_job, new_training_folder
from napari_isr.widgets.train.job import Checked, LayerSnapshot, TrainingJob, check_images
from napari_isr.widgets.train.panel import TrainPanel
from napari_isr.widgets.train.phases import Trained
from napari_isr.widgets.train.preview import PreviewLayers, is_preview
from napari_isr.widgets.train.progress import TrainingBoard
from napari_isr.widgets.train.thread import News, Training, save_trained
from src_models.errors import SuperResolutionError
from src_models.models.description import read_description

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari.layers
    import napari.viewer


class _TrainingWorker(ClosingWorker):
    """Relays a training's news; quitting stops the training, with which the worker ends."""

    training: Training

    def quit(self) -> None:
        """Stop the training, keeping its model; napari calls this too when it is closed."""
        self.training.stop()


class TrainWidget(TrainPanel):
    """Train a network on layers or folders.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered, and where previews are shown.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._models = named_descriptions(trainable=True)
        super().__init__(self._image_layers, self._model_choices)
        explain_items(self.network.start, lambda key: self._models[key].summary)
        self._worker: Any = None
        self._training: Training | None = None
        self._trained: Trained | None = None
        self._job: TrainingJob | None = None
        self._board = TrainingBoard(self, viewer)
        self._pairs = PreviewLayers(viewer, "Check")
        self._connect()
        self._choose_active_layer()
        self._refresh()

    # Form ---------------------------------------------------------------------------------------

    def _connect(self) -> None:
        layers = self._viewer.layers
        layers.events.inserted.connect(self._layers_changed)
        layers.events.removed.connect(self._layers_changed)
        self._viewer.events.theme.connect(self._theme_changed)
        self.network.start.changed.connect(self._start_chosen)
        for fields in (self.images, self.network, self.advanced):
            for field in fields.changing:
                field.changed.connect(self._refresh)
        self.images.check.clicked.connect(self._check)
        self.run.clicked.connect(self._train)
        self.pause.clicked.connect(self._pause_or_go_on)
        self.stop.clicked.connect(self._stop)
        self.save.clicked.connect(self._save)
        self.model_name.changed.connect(self._name_changed)
        model_events.saved.connect(self._models_changed)

    def _image_layers(self, _select: Any = None) -> list[napari.layers.Image]:
        from napari.layers import Image

        layers = self._viewer.layers
        return [layer for layer in layers if isinstance(layer, Image) and not is_preview(layer)]

    def _model_choices(self, _combo: Any = None) -> list[str]:
        return [SCRATCH, *self._models, OPEN_FILE]

    def _choose_active_layer(self) -> None:
        """Choose the active layer, but not a result of ours: there is nothing to learn from it."""
        active = self._viewer.layers.selection.active
        recorded = [x for x in self._image_layers() if "napari-isr" not in x.metadata]
        if active in recorded:
            self.images.layers.value = [active]
        elif active in self._image_layers() and recorded:
            self.images.layers.value = recorded[-1:]

    def _layers_changed(self) -> None:
        had_none = not self.images.layers.choices
        self.images.layers.reset_choices()
        self.images.low_layers.reset_choices()
        if had_none and self._image_layers():
            self.images.layers.value = self._image_layers()[-1:]
        self._refresh()

    @ensure_main_thread  # type: ignore[untyped-decorator,unused-ignore]
    def _models_changed(self, _name: str) -> None:
        if self._is_open:
            self._models |= named_descriptions(trainable=True)
            self.network.start.reset_choices()

    def _theme_changed(self) -> None:
        self.plots.follow_theme(self._viewer.theme)
        self._refresh()

    def _start_chosen(self, choice: str | None) -> None:
        if choice == OPEN_FILE:
            path, _ = QFileDialog.getOpenFileName(
                self, "Open a model file", "", "Model files (*.keras);;All (*)"
            )
            self.open_model_file(path)
        self._refresh()

    def open_model_file(self, path: str | Path) -> None:
        """Add a model file to the list and start from it; an empty path starts from scratch."""
        with self.network.start.changed.blocked():
            self.network.start.value = SCRATCH
        if not path or str(path) == ".":
            return
        try:
            description = read_description(path)
            _ = description.network  # which models from ONNX files have not
            self._models[str(path)] = description
        except SuperResolutionError as error:
            self._refresh()
            self._complain(self.network.model_note, str(error))
            return
        self.network.start.reset_choices()
        self.network.start.value = str(path)

    def _choices(self) -> TrainChoices:
        images, low = (
            [LayerSnapshot.of(layer) for layer in side] if isinstance(side, list) else side
            for side in self.images.chosen()
        )
        start = self.network.start.value
        model = None if start in (SCRATCH, None) else start
        return TrainChoices(
            images=images,
            low=low,
            is_paired=bool(self.images.is_paired.value),
            model=model,
            description=None if model is None else self._models.get(model),
            size=self.network.size.value,
            scale=self.network.scale.value,
            goal=self.network.goal.value,
            degradation=self.images.degradation,
            **self.network.duration,
            **self.advanced.chosen,
        )

    def _refresh(self) -> None:
        """Say what would be trained, or what keeps it from being."""
        self.images.arrange()
        self.network.arrange()
        if self._worker is not None:
            return
        plan = check_choices(self._choices())
        self.say(plan, self._viewer.theme)
        is_checkable = not (plan.image_complaint or plan.low_complaint or plan.model_complaint)
        self.images.check.enabled = is_checkable
        self.run.enabled = plan.is_possible
        self.stop.enabled = False
        self.pause.enabled = self._trained is not None
        self.pause.text = "Pause" if self._trained is None else "Continue"
        self.save_row.setVisible(self._trained is not None)

    def _complain(self, note: Note, text: str) -> None:
        note.say(text, complaint=True, theme=self._viewer.theme)

    # Check --------------------------------------------------------------------------------------

    def _check(self) -> None:
        job = self._made_job(self.images.report)
        if job is None:
            return
        self.images.report.say("Reading the images …")
        self._begin(new_worker(_checking, job), self._show_check, self.images.report)

    def _show_check(self, checked: Checked) -> None:
        self.images.report.say(checked.report.in_words)
        if checked.patches:
            self._board.previews.hide()
            self._pairs.begin()
            self._pairs.show(
                {
                    "low resolution": [patch.lr for patch in checked.patches],
                    "high resolution": [patch.hr for patch in checked.patches],
                },
                look=True,
            )

    # Training -----------------------------------------------------------------------------------

    def _made_job(self, note: Note) -> TrainingJob | None:
        try:
            return make_job(self._choices(), new_training_folder())
        except SuperResolutionError as error:
            self._complain(note, str(error))
            return None

    def _train(self) -> None:
        job = self._made_job(self.status)
        if job is not None:
            self._trained = None
            self.save_note.say("")
            self._pairs.hide()
            self._start(job, keep_curves=False)

    def _go_on(self) -> None:
        """Train on for the same time again, from where the last training ended."""
        assert self._job is not None
        assert self._trained is not None
        self._start(self._job.continued(self._trained.epochs), keep_curves=True)

    def _start(self, job: TrainingJob, *, keep_curves: bool) -> None:
        self._job = job
        self._training = training = Training(job)
        self._board.begin(training, keep_curves=keep_curves)
        self.pause.text, self.pause.enabled, self.stop.enabled = "Pause", True, True
        worker = new_worker(training.steps, worker_class=_TrainingWorker)
        worker.training = training
        self._begin(worker, self._show_trained, self.status)

    def _begin(self, worker: Any, show: Callable[[Any], None], note: Note) -> None:
        """Start a worker; what is shown of it is up to the slots below."""
        self.run.enabled = self.images.check.enabled = False
        self.save_row.setVisible(False)
        self._worker, open_only = worker, self._while_open
        worker.yielded.connect(open_only(self._board.show))
        worker.returned.connect(open_only(show))
        worker.warned.connect(show_own_warning)
        worker.errored.connect(open_only(lambda error: self._complain(note, str(error))))
        worker.finished.connect(open_only(self._finished))
        worker.start()

    def _show_trained(self, trained: Trained) -> None:
        self._board.show_preview()
        self._trained = trained
        reasons = {"stopped": "Stopped", "time is up": "The time is up"}
        gain = "" if trained.gain is None else f" {trained.gain:+.2f} dB against bicubic."
        self.status.say(
            f"{reasons.get(trained.reason, 'Finished')} after {trained.epochs} epochs.{gain} "
            f"{trained.remark} Name the model to use it in the Upscale widget."
        )

    def _finished(self) -> None:
        self._worker = self._training = None
        self.progress.visible = False
        self._refresh()

    def _pause_or_go_on(self) -> None:
        training = self._training
        if training is None:
            self._go_on()
        elif training.is_paused:
            training.resume()
            self.pause.text = "Pause"
            self.status.say("Going on …")
        else:
            training.pause()
            self.pause.text = "Continue"
            self.status.say("Paused. Continue goes on, Stop keeps the model.")

    def _stop(self) -> None:
        if self._training is not None:
            self._training.stop()
            self.stop.enabled = self.pause.enabled = False
            self.status.say("Stopping after the step in work, and keeping the model …")

    # Model --------------------------------------------------------------------------------------

    def _name_changed(self) -> None:
        self.save_note.say("")

    def _save(self) -> None:
        assert self._trained is not None
        try:
            path = save_trained(self._trained, self.model_name.value)
        except SuperResolutionError as error:
            self._complain(self.save_note, str(error))
            return
        self.save_note.say(f"Saved: {path.stem!r} is in the Upscale widget's list now.")

    # End ----------------------------------------------------------------------------------------

    def _dispose(self) -> None:
        if self._training is not None:
            self._training.stop()
        self._board.previews.close()
        self._pairs.close()
        model_events.saved.disconnect(self._models_changed)
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._layers_changed)
        layers.events.removed.disconnect(self._layers_changed)
        self._viewer.events.theme.disconnect(self._theme_changed)


@with_own_errors
def _checking(job: TrainingJob) -> Generator[News, None, Checked]:
    yield News()
    return check_images(job)
