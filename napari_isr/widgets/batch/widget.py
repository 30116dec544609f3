"""The Batch dock widget: a folder or layers in, files out, whatever goes wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog
from superqt.utils import ensure_main_thread

from napari_isr.bridge.events import model_events
from napari_isr.bridge.upscaling import show_own_warning
from napari_isr.widgets.batch.form import LAYERS, BatchPlan
from napari_isr.widgets.batch.layers import BatchLayer
from napari_isr.widgets.batch.panel import BatchPanel
from napari_isr.widgets.batch.progress import BatchBoard
from napari_isr.widgets.batch.run import (
    BatchRequest,
    BatchRun,
    FileList,
    HeadersRead,
    News,
    looking,
)
from napari_isr.widgets.batch.words import plan_in_words
from napari_isr.widgets.shared.fields import Note, explain_items
from napari_isr.widgets.shared.model_list import OPEN_FILE, OfferedModels
from napari_isr.widgets.shared.model_opening import ModelOpening
from napari_isr.widgets.shared.worker import new_worker
from src_models.engines.timing import matrix_product_speed, useful_operations
from src_models.errors import SuperResolutionError
from src_models.images.picture import printable
from src_models.jobs.batch_events import write_report

if TYPE_CHECKING:
    import napari.viewer

# Long enough for the next key to be typed, short enough not to be noticed.
_PAUSE_MS = 300


class BatchWidget(BatchPanel):
    """Upscale a folder of images, or layers, into files.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose selected layers are offered.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._models = OfferedModels()
        super().__init__(self._models.choices)
        self._opening = ModelOpening(
            self.fields.model, self.open_model_file, self._cannot_be_opened, self._changed
        )
        self._looker: Any = None
        self._worker: Any = None
        self._batch: BatchRun | None = None
        self._request: BatchRequest | None = None
        self._is_listed = self._is_stale = False
        self._board = BatchBoard(self)
        self._speeds: dict[tuple[Any, ...], float] = {}
        self._warned: set[str] = set()
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self.fields.model.value = self._models.default
        explain_items(self.fields.model, self._models.summary)
        matrix_product_speed()  # now: beside other work OpenBLAS was seen to wait for ever
        self._connect()
        self._theme_changed()
        self._changed()

    def _connect(self) -> None:
        for field in self.fields.changing:
            field.changed.connect(self._changed)
        self.fields.model.changed.connect(self._model_chosen)
        self._pause.timeout.connect(self._look)
        self.run.clicked.connect(self._run_all)
        self.retry.clicked.connect(self._run_failed)
        self.finish_file.clicked.connect(self._stop_after_file)
        self.cancel.clicked.connect(self._stop_now)
        self.save_report.clicked.connect(self._save_report)
        self._viewer.layers.selection.events.changed.connect(self._layers_changed)
        self._viewer.events.theme.connect(self._theme_changed)
        model_events.saved.connect(self._models_changed)

    # What is chosen -----------------------------------------------------------------------------

    @ensure_main_thread  # type: ignore[untyped-decorator,unused-ignore]
    def _models_changed(self, _name: str) -> None:
        """Offer a model that was saved just now; what is chosen stays chosen."""
        if self._is_open:
            self._models.renew(self.fields.model)

    def _model_chosen(self) -> None:
        if self.fields.model.value == OPEN_FILE:
            self._opening.ask(self)
        else:
            self._models.chosen(self.fields.model)
            self._changed()

    def open_model_file(self, path: str | Path) -> None:
        """Add a model file to the list and choose it; with an empty path nothing changes."""
        self._models.open_file(path, self.fields.model)
        self._changed()

    def _cannot_be_opened(self, complaint: str) -> None:
        self._models.complaint = complaint
        self._changed()

    def _layers_changed(self) -> None:
        if self.fields.source.value == LAYERS:
            self._changed()

    def _theme_changed(self) -> None:
        self.table.follow_theme(get_theme(self._viewer.theme).type == "light")
        self._say(self._plan())

    def _plan(self) -> BatchPlan:
        from napari.layers import Image

        selected = [x for x in self._viewer.layers if x in self._viewer.layers.selection]
        images: list[BatchLayer] = []
        if self.fields.source.value == LAYERS:
            images = [BatchLayer.of(layer) for layer in selected if isinstance(layer, Image)]
        description = self._models.description(self.fields.model.value)
        return self.fields.plan(description, images, len(selected) - len(images))

    def _say(self, plan: BatchPlan) -> None:
        self.fields.say(plan, self._viewer.theme)
        if self._opening.words:
            self.fields.model_note.say(self._opening.words)
        elif self._models.complaint:
            self._complain(self.fields.model_note, self._models.complaint)

    def _changed(self) -> None:
        """Forget what was listed, and list anew after a moment."""
        self.fields.arrange()
        plan = self._plan()
        self._say(plan)
        if self._worker is not None:
            self._is_stale = True
            return
        self._quit(self._looker)
        self._looker, self._is_listed, self._is_stale = None, False, False
        before, self._request = self._request, plan.request
        if before is None or plan.request is None or _is_other(before, plan.request):
            self.table.clear()
            self.status.say("")
        if plan.request is None:
            self.plan_note.say("")
        else:
            self._pause.start()
        self._enable()

    def _enable(self) -> None:
        """Let only what is possible be clicked, and show only what there is."""
        is_running = self._worker is not None
        self.fields.native.setEnabled(not is_running)
        self.run.enabled = not is_running and self._is_listed and not self._opening.words
        self.cancel.enabled = self.finish_file.enabled = is_running
        has_failed = bool(self.table.sources_of("failed"))
        self.retry.enabled = not is_running and has_failed and self._request is not None
        self.save_report.enabled = not is_running
        has_ended = any(self.table.outcomes)
        self.retry.visible = has_failed and not is_running
        self.save_report.visible = has_ended and not is_running
        self.only_failed.visible = has_failed
        if not has_failed:
            self.only_failed.value = False
        self.files.setVisible(bool(self.table.jobs))

    # Looking ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """List the files in a thread, and look into them."""
        if not self._is_open or self._worker is not None or self._request is None:
            return
        self._quit(self._looker)
        self._looker = worker = new_worker(looking, self._request)

        def newest_only(slot: Callable[..., None]) -> Callable[..., None]:
            def guarded(*args: Any) -> None:
                if self._is_open and worker is self._looker:
                    slot(*args)

            return guarded

        worker.yielded.connect(newest_only(self._show_look))
        worker.returned.connect(newest_only(lambda _: self._tell_plan(is_looked=True)))
        worker.errored.connect(newest_only(self._show_nothing))
        worker.start()

    def _show_look(self, seen: FileList | HeadersRead) -> None:
        if isinstance(seen, HeadersRead):
            self.table.add_sizes(seen)
            return
        self.table.show(seen, keep=True)
        self._is_listed = True
        self._tell_plan(is_looked=False)
        self._enable()

    def _show_nothing(self, error: Exception) -> None:
        self.table.clear()
        self.plan_note.say("")
        self._complain(self.fields.source_note, str(error))
        self._enable()

    def _tell_plan(self, *, is_looked: bool) -> None:
        assert self._request is not None
        speed = self._speeds.get(_speed_key(self._request))
        words = plan_in_words(self._request, self.table, speed, is_looked=is_looked)
        self.plan_note.say(words)

    # Work ---------------------------------------------------------------------------------------

    def _run_all(self) -> None:
        self._start(None)

    def _run_failed(self) -> None:
        self._start(self.table.sources_of("failed", "not done"))

    def _start(self, only: Sequence[Path] | None) -> None:
        """Start the work; what is shown of it is up to the slots below."""
        plan = self._plan()
        if plan.request is None:
            self._changed()
            return
        self._quit(self._looker)
        self._looker, self._request = None, plan.request
        self._batch = BatchRun(plan.request, only)
        self._board.begin(self._batch, only)
        self._warned.clear()
        self._worker = worker = new_worker(self._batch.steps)
        worker.yielded.connect(self._while_open(self._show_news))
        worker.warned.connect(self._while_open(self._show_warning))
        worker.errored.connect(self._while_open(self._show_error))
        worker.aborted.connect(self._while_open(self._board.say_end))
        worker.returned.connect(self._while_open(lambda _: self._board.say_end()))
        worker.finished.connect(self._while_open(self._finished))
        self._enable()
        worker.start()

    def _show_news(self, news: FileList | News) -> None:
        self._board.show(news)
        if isinstance(news, FileList):
            self._tell_plan(is_looked=False)
            self._enable()

    def _show_warning(self, warning: tuple[Any, ...]) -> None:
        """Show what is said of many files once."""
        if str(warning[0]) not in self._warned:
            self._warned.add(str(warning[0]))
            show_own_warning(warning)

    def _show_error(self, error: Exception) -> None:
        self._complain(self.status, str(error))

    def _finished(self) -> None:
        assert self._request is not None
        speed = self._board.end()
        if speed is not None:
            passes = self._request.settings.passes
            operations = useful_operations(self._request.model.config, round(speed)) * passes
            self._speeds[_speed_key(self._request)] = operations
        if self.table.sources_of("done", "done before"):
            self.plan_note.say(f"The results are in {printable(str(self._request.output))}.")
        self._worker = self._batch = None
        self._is_listed = bool(self.table.jobs)
        self._enable()
        if self._is_stale:
            self._changed()

    def _stop_after_file(self) -> None:
        if self._batch is not None:
            self._batch.stop_after_file()
            self.finish_file.enabled = False
            self._board.stopping("Stopping after the file in hand …")

    def _stop_now(self) -> None:
        self._quit(self._worker)
        self.cancel.enabled = self.finish_file.enabled = False
        self._board.stopping("Cancelling after the tile in work …")

    def _save_report(self) -> None:
        folder = self._request.output if self._request else Path()
        path, _ = QFileDialog.getSaveFileName(
            self, "Save a report", str(folder / "report.csv"), "CSV (*.csv)"
        )
        if not path:
            return
        try:
            write_report(self.table.report(), path)
        except SuperResolutionError as error:
            self._complain(self.status, str(error))
        else:
            self.status.say(f"The report is in {path}.")

    # End ----------------------------------------------------------------------------------------

    def _complain(self, note: Note, text: str) -> None:
        note.say(text, complaint=True, theme=self._viewer.theme)

    def _quit(self, worker: Any) -> None:
        if worker is not None:
            worker.quit()

    def _dispose(self) -> None:
        self._quit(self._looker)
        self._quit(self._worker)
        self._opening.disconnect_all()
        self._viewer.layers.selection.events.changed.disconnect(self._layers_changed)
        self._viewer.events.theme.disconnect(self._theme_changed)
        model_events.saved.disconnect(self._models_changed)


def _is_other(old: BatchRequest, new: BatchRequest) -> bool:
    """Tell whether what came of the files says nothing of the new request."""
    same = old.source == new.source or isinstance(new.source, tuple)
    return not same or (old.output, old.settings.model) != (new.output, new.settings.model)


def _speed_key(request: BatchRequest) -> tuple[Any, ...]:
    return request.settings.model, request.settings.engine
