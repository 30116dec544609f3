"""The Train dock widget: images and choices in, a network trained, a named model out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, LineEdit, ProgressBar, PushButton
from napari.qt.threading import create_worker
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget
from superqt.utils import GeneratorWorker, ensure_main_thread

from napari_isr._events import model_events
from napari_isr._fields import Note
from napari_isr._train_fields import (
    OPEN_FILE,
    SCRATCH,
    AdvancedFields,
    Fold,
    ImageFields,
    NetworkFields,
    column,
)
from napari_isr._train_form import (
    TrainChoices,
    TrainPlan,
    check_choices,
    make_job,
    new_training_folder,
)
from napari_isr._train_job import Checked, TakenLayer, TrainingJob, check_images
from napari_isr._train_plots import TrainingPlots
from napari_isr._train_preview import PreviewLayers, is_preview
from napari_isr._train_worker import Trained
from napari_isr._training import News, Training, save_trained
from napari_isr._upscale_form import named_descriptions
from napari_isr._workers import show_our_warning, with_our_errors
from src_models.description import read_description
from src_models.errors import SuperResolutionError
from src_models.timing import in_words
from src_models.training_events import Preview, StepDone

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari.layers
    import napari.viewer

_WIDTH = 300
_PARTS = 1000
_PREVIEW_SECONDS = 4.0


class _TrainingWorker(GeneratorWorker[Any, Any, Any]):
    """Relays a training's news; quitting stops the training, with which the worker ends."""

    training: Training

    def quit(self) -> None:
        """Stop the training, keeping its model; napari calls this too when it is closed."""
        self.training.stop()


class TrainWidget(QWidget):
    """Train a network on layers or folders.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered, and where previews are shown.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._is_docked = False
        self._models = named_descriptions()
        self._worker: Any = None
        self._training: Training | None = None
        self._trained: Trained | None = None
        self._job: TrainingJob | None = None
        self._is_open = True
        self._has_looked, self._shown = False, -math.inf
        self._newest: Preview | None = None
        self._previews = PreviewLayers(viewer, "Training")
        self._pairs = PreviewLayers(viewer, "Check")
        self._make_widgets()
        self._connect()
        self._choose_active_layer()
        self._refresh()

    # Form ---------------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self.images = ImageFields(self._image_layers)
        self.network = NetworkFields(self._model_choices)
        self.advanced = AdvancedFields()
        self.plots = TrainingPlots()
        self.run = PushButton(text="Train", tooltip="Start a new training.")
        self.pause = PushButton(text="Pause", tooltip="Let it wait; or go on with it.")
        self.stop = PushButton(text="Stop", tooltip="End it after this step. The model is kept.")
        self.progress = ProgressBar(visible=False, max=_PARTS)
        self.status = Note("status")
        self.preview = CheckBox(
            text="Live preview in the viewer",
            value=True,
            tooltip="Input, bicubic, model and truth from left to right, a few times a minute.",
        )
        self.model_name = LineEdit(tooltip="Name of the model in the Upscale widget.")
        self.save = PushButton(text="Save", tooltip="Add the model to your models.")
        self.save_note = Note("save")
        self._folds = {
            "images": Fold("Images", self.images.native),
            "network": Fold("Network", self.network.native),
            "advanced": Fold("Advanced settings", self.advanced.native),
            "curves": Fold("Curves", column(self.plots, self.preview)),
        }
        self._open("images", "network")
        for note in (self.images.report, self.status, self.save_note):
            note.say("")
        self._save_row = _beside(self.model_name, self.save)
        self.model_name.native.setPlaceholderText("name of the model")
        self._arrange()

    def _arrange(self) -> None:
        form = column(*self._folds.values(), stretch=True, margins=(6, 4, 6, 4))
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(form)
        # Always in view, whatever the form's height.
        bottom = column(
            _beside(self.run, self.pause, self.stop),
            self.progress,
            self.status,
            self._save_row,
            self.save_note,
            margins=(6, 0, 6, 4),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(bottom)
        self.setMinimumWidth(_WIDTH)

    def _open(self, *names: str) -> None:
        for name, fold in self._folds.items():
            fold.open(name in names)

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
        self.destroyed.connect(lambda: self._close())

    def _image_layers(self, _select: Any = None) -> list[napari.layers.Image]:
        from napari.layers import Image

        layers = self._viewer.layers
        return [layer for layer in layers if isinstance(layer, Image) and not is_preview(layer)]

    def _model_choices(self, _combo: Any = None) -> list[str]:
        return [SCRATCH, *self._models, OPEN_FILE]

    def _choose_active_layer(self) -> None:
        active = self._viewer.layers.selection.active
        if active in self._image_layers():
            self.images.layers.value = [active]

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
            self._models |= named_descriptions()
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
            self._models[str(path)] = read_description(path)
        except SuperResolutionError as error:
            self._refresh()
            self._complain(self.network.model_note, str(error))
            return
        self.network.start.reset_choices()
        self.network.start.value = str(path)

    def _choices(self) -> TrainChoices:
        images, low = (
            [TakenLayer.of(layer) for layer in side] if isinstance(side, list) else side
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
        self._say(plan)
        is_checkable = not (plan.image_complaint or plan.low_complaint or plan.model_complaint)
        self.images.check.enabled = is_checkable
        self.run.enabled = plan.is_possible
        self.stop.enabled = False
        self.pause.enabled = self._trained is not None
        self.pause.text = "Pause" if self._trained is None else "Continue"
        self._save_row.setVisible(self._trained is not None)

    def _say(self, plan: TrainPlan) -> None:
        theme = self._viewer.theme
        self.images.note.say(plan.image_complaint, complaint=True, theme=theme)
        self.images.low_note.say(plan.low_complaint, complaint=True, theme=theme)
        model = plan.model_complaint or plan.model_words
        self.network.model_note.say(model, complaint=bool(plan.model_complaint), theme=theme)
        goal = plan.goal_complaint or plan.goal_words
        self.network.goal_note.say(goal, complaint=bool(plan.goal_complaint), theme=theme)
        self.network.cost.say(plan.cost)

    def _complain(self, note: Note, text: str) -> None:
        note.say(text, complaint=True, theme=self._viewer.theme)

    # Check --------------------------------------------------------------------------------------

    def _check(self) -> None:
        job = self._made_job(self.images.report)
        if job is None:
            return
        self.images.report.say("Reading the images …")
        self._begin(_new_worker(_checking, job), self._show_check, self.images.report)

    def _show_check(self, checked: Checked) -> None:
        self.images.report.say(checked.report.in_words)
        if checked.patches:
            self._previews.hide()
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
        self._has_looked, self._shown = False, -math.inf
        self._previews.begin()
        self._open("curves")
        self.plots.begin(self._viewer.theme, keep=keep_curves)
        self.progress.visible = True
        self.progress.max = 0  # busy
        self.status.say("Starting …")
        self.pause.text, self.pause.enabled, self.stop.enabled = "Pause", True, True
        worker = _new_worker(training.steps, worker_class=_TrainingWorker)
        worker.training = training
        self._begin(worker, self._show_trained, self.status)

    def _begin(self, worker: Any, show: Callable[[Any], None], note: Note) -> None:
        """Start a worker; what is shown of it is up to the slots below."""
        self.run.enabled = self.images.check.enabled = False
        self._save_row.setVisible(False)
        self._worker, open_only = worker, self._while_open
        worker.yielded.connect(open_only(self._show_news))
        worker.returned.connect(open_only(show))
        worker.warned.connect(show_our_warning)
        worker.errored.connect(open_only(lambda error: self._complain(note, str(error))))
        worker.finished.connect(open_only(self._finished))
        worker.start()

    def _show_news(self, news: News) -> None:
        if news.words:
            self.status.say(news.words)
        for epoch in news.epochs:
            self.plots.add_epoch(epoch)
        if news.step is not None:
            self._show_step(news.step)
        self.plots.draw()
        if news.preview is not None:
            self._newest = news.preview
        if time.monotonic() - self._shown > _PREVIEW_SECONDS:
            self._show_preview()

    def _show_step(self, step: StepDone) -> None:
        assert self._training is not None
        self.plots.add_step(step)
        if self._training.is_paused:
            return
        elapsed = time.monotonic() - self._training.started
        self.progress.max = _PARTS
        self.progress.value = round(_PARTS * elapsed / max(elapsed + step.seconds_left, 1e-9))
        self.status.say(
            f"Epoch {step.epoch}, step {step.step} of {step.steps_per_epoch}, "
            f"{in_words(step.seconds_left)} left. {self._training.gain_in_words}"
        )

    def _show_preview(self) -> None:
        if self._newest is None or not self.preview.value:
            return
        patches, self._newest = self._newest.patches, None
        self._shown = time.monotonic()
        self._previews.show(
            {
                "input": [patch.lr for patch in patches],
                "bicubic": [patch.bicubic for patch in patches],
                "model": [patch.sr for patch in patches],
                "truth": [patch.hr for patch in patches],
            },
            look=not self._has_looked,  # once: then the camera is the user's again
        )
        self._has_looked = True

    def _show_trained(self, trained: Trained) -> None:
        self._show_preview()
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

    def event(self, event: QEvent | None) -> bool:
        """Notice that napari took the widget out of its dock, which does not destroy it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._is_docked:
                self._close()
            self._is_docked = self.parent() is not None
        return bool(super().event(event))

    def _close(self) -> None:
        """Let go of everything when the dock is closed; its Qt widgets may be gone already."""
        if not self._is_open:
            return
        self._is_open = False
        if self._training is not None:
            self._training.stop()
        self._previews.close()
        self._pairs.close()
        model_events.saved.disconnect(self._models_changed)
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._layers_changed)
        layers.events.removed.disconnect(self._layers_changed)
        self._viewer.events.theme.disconnect(self._theme_changed)

    def _while_open(self, slot: Callable[..., None]) -> Callable[..., None]:
        """Return a slot that the worker's last signals may reach after the dock was closed."""

        def guarded(*args: Any) -> None:
            if self._is_open:
                slot(*args)

        return guarded


@with_our_errors
def _checking(job: TrainingJob) -> Generator[News, None, Checked]:
    yield News()
    return check_images(job)


def _new_worker(
    function: Callable[..., Any], *arguments: Any, worker_class: Any = GeneratorWorker
) -> Any:
    # By napari's function, so that napari knows of the work and asks before it closes.
    return create_worker(
        function,
        *arguments,
        _start_thread=False,
        # napari's own class shows a traceback and every warning of the backend.
        _worker_class=worker_class,
        _ignore_errors=True,
    )


def _beside(*widgets: Any) -> QWidget:
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget.native)
    return holder
