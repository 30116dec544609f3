"""The Compare dock widget: input, results and truth beside each other, in numbers and curves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_isr.bridge.upscaling import show_own_warning
from napari_isr.bridge.world import world_units
from napari_isr.widgets.compare.choices import CompareChoices
from napari_isr.widgets.compare.curves import CompareCurves
from napari_isr.widgets.compare.layers import added_layer
from napari_isr.widgets.compare.matching import Check, check
from napari_isr.widgets.compare.measure import (
    RESULT,
    Measured,
    NewLayer,
    Step,
    interpolating,
    measuring,
    subtracting,
)
from napari_isr.widgets.compare.numbers import (
    as_csv,
    exposure_in_words,
    measured_in_words,
    outdated_in_words,
)
from napari_isr.widgets.compare.panel import ComparePanel
from napari_isr.widgets.compare.plots import colours_of
from napari_isr.widgets.compare.request import baselines
from napari_isr.widgets.compare.views import CompareViews
from napari_isr.widgets.shared.layer_note import LayerStatus
from napari_isr.widgets.shared.worker import new_worker

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_PAUSE_MS = 100


class CompareWidget(ComparePanel):
    """Compare an image with what was made of it, and with the truth.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered, and where layers are added.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._worker: Any = None
        self._is_cancelling = False
        self._choices = choices = CompareChoices(viewer, self._later)
        self._check = Check()
        self.measured: Measured | None = None
        super().__init__(choices.images, choices.truths, choices.lines, self._result_changed)
        self._views = CompareViews(viewer, self.view, self.view_note)
        self._curves = CompareCurves(self, viewer)
        self._news = LayerStatus(viewer, self.status)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._connect()
        self._layers_changed()
        self._theme_changed()

    def _connect(self) -> None:
        layers = self._viewer.layers
        layers.events.inserted.connect(self._layers_changed)
        layers.events.removed.connect(self._layers_changed)
        layers.events.renamed.connect(self._layers_renamed)
        self._viewer.dims.events.current_step.connect(self._later)
        self._viewer.events.theme.connect(self._theme_changed)
        self._pause.timeout.connect(self._refresh)
        self.fields.input.changed.connect(self._input_chosen)
        self.fields.truth.changed.connect(self._truth_chosen)
        self.fields.fit.changed.connect(self._refresh)
        self.run.clicked.connect(self._measure)
        self.cancel.clicked.connect(self._cancel)
        self.copy.clicked.connect(self._copy)
        self.subtract.clicked.connect(self._subtract)
        self.add_bicubic.clicked.connect(self._add_bicubic)
        self.table.candidate_changed.connect(self._renew_view)

    # What is chosen -----------------------------------------------------------------------------

    def _layers_changed(self) -> None:
        """Offer the layers there are; what was chosen stays so while it exists."""
        self._choices.renew()
        self._offer()
        self._later()  # a view that ends with a layer does so after this

    def _layers_renamed(self) -> None:
        self._offer()
        self.table.rename()
        self._views.explain()
        self._curves.draw()

    def _input_chosen(self, layer: napari.layers.Image | None) -> None:
        self._choices.input = layer
        self._choices.renew()
        self._offer()

    def _truth_chosen(self, layer: napari.layers.Image | None) -> None:
        self._choices.truth = layer
        self._offer()

    def _result_changed(self, layer: napari.layers.Image, is_checked: bool) -> None:
        self._choices.ask(layer, is_checked)
        self._refresh()

    def _offer(self) -> None:
        """Bring the lists up to date with the layers and with each other."""
        choices, fields = self._choices, self.fields
        for combo, wanted in ((fields.input, choices.input), (fields.truth, choices.truth)):
            with combo.changed.blocked():
                combo.reset_choices()
                combo.value = wanted
        fields.results.offer(choices.results(), choices.is_checked)
        self._curves.offer(choices.lines())
        self._refresh()

    def _later(self) -> None:
        self._pause.start()

    def _refresh(self) -> None:
        """Say what does not fit, and whether the numbers are those of what is shown."""
        if not self._is_open:
            return
        fields, theme = self.fields, self._viewer.theme
        results, others = fields.results.checked, len(fields.results.layers)
        point = self._viewer.dims.point
        choices = self._choices
        self._check = check(
            choices.input,
            results,
            choices.truth,
            point,
            world_units(self._viewer),
            others=others,
            fits=bool(fields.fit.value),
        )
        fields.say(self._check, theme)
        is_running, has_request = self._worker is not None, self._check.request is not None
        fields.native.setEnabled(not is_running)
        self.run.enabled = has_request and not is_running
        self.cancel.enabled = is_running and not self._is_cancelling
        has_numbers = self.measured is not None
        self.copy.enabled = has_numbers
        self.subtract.enabled = self.add_bicubic.enabled = has_numbers and not is_running
        self._renew_view()
        if not is_running and has_numbers:
            self._say_measured()
        elif not has_numbers:
            first = "Measure fills this table." if has_request else "First choose what to compare."
            self.number_note.say(first)

    def _say_measured(self) -> None:
        assert self.measured is not None
        request = self._check.request
        is_same = request is not None and request.key == self.measured.request.key
        self.number_note.say(measured_in_words(self.measured))
        exposure = exposure_in_words(self.measured)
        self.exposure_note.say(exposure, complaint=True, theme=self._viewer.theme, bold=False)
        # Above the tabs: it is true of the curves as well.
        words = "" if is_same else outdated_in_words(self.measured)
        self.outdated_note.say(words, complaint=True, theme=self._viewer.theme, bold=False)

    def _theme_changed(self) -> None:
        self._curves.follow_theme(self._viewer.theme)
        self._show_table()
        self._refresh()

    # Work ---------------------------------------------------------------------------------------

    def _measure(self) -> None:
        self._refresh()
        if self._check.request is not None:
            self._start(self._show_measured, measuring, self._check.request)

    def _start(self, show: Any, function: Any, *arguments: Any) -> None:
        """Start work; what is shown of it is up to the slots below."""
        self._is_cancelling = False
        self._worker = worker = new_worker(function, *arguments)
        worker.yielded.connect(self._while_open(self._show_step))
        worker.returned.connect(self._while_open(show))
        worker.warned.connect(show_own_warning)
        worker.errored.connect(self._while_open(self._show_error))
        worker.aborted.connect(self._while_open(partial(self.status.say, "Cancelled.")))
        worker.finished.connect(self._while_open(self._finished))
        self.progress.visible = True
        self.progress.max = 0  # busy
        self.status.say("Starting …")
        self._refresh()
        worker.start()

    def _show_step(self, step: Step) -> None:
        self.progress.max = step.total
        self.progress.value = step.done
        if not self._is_cancelling:
            self.status.say(step.words)

    def _show_measured(self, measured: Measured) -> None:
        self.measured = measured
        self.status.say("")
        self._show_table()
        self._curves.show(measured)

    def _show_table(self) -> None:
        rows = () if self.measured is None else self.measured.rows
        self.table.show_rows(self.measured, colours_of(rows, self._viewer.theme))

    def _show_error(self, error: Exception) -> None:
        self.status.say(str(error), complaint=True, theme=self._viewer.theme)

    def _finished(self) -> None:
        self._worker = None
        self.progress.visible = False
        self._refresh()

    def _cancel(self) -> None:
        self._quit_worker()
        self._is_cancelling = True
        self.cancel.enabled = False
        self.status.say("Cancelling after the part in work …")

    def _quit_worker(self) -> None:
        if self._worker is not None:
            self._worker.quit()

    # What to do with it -------------------------------------------------------------------------

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if self.measured is not None and clipboard is not None:
            clipboard.setText(as_csv(self.measured))
            self.status.say("The numbers are on the clipboard.")

    def _subtract(self) -> None:
        row = self.table.chosen
        if self.table.has_other:
            self.status.say(
                "A difference is taken of a result or of bicubic: select one in the table.",
                complaint=True,
                theme=self._viewer.theme,
            )
        elif self.measured is not None and row is not None:
            self._start(self._add_layer, subtracting, self.measured.request, row)

    def _add_bicubic(self) -> None:
        row = self.table.chosen
        if self.measured is not None and row is not None:
            self._start(self._add_layer, interpolating, self.measured.request, row.factor)

    def _add_layer(self, new: NewLayer) -> None:
        layer = added_layer(new)
        self._viewer.add_layer(layer)
        self._news.tell(layer, lambda: f"Layer {layer.name!r} added.")

    def _renew_view(self) -> None:
        """Let the curtain show what is selected in the table, else the first result."""
        request, row = self._check.request, self.table.chosen
        if request is None:
            self._views.renew(None, None, [])
            return
        bicubic = baselines(self._viewer.layers, request.input.layer)
        results = [candidate.layer for candidate in request.results]
        chosen = None
        if row is not None:
            chosen = row.candidate.layer if row.kind == RESULT else bicubic.get(row.factor)
        right = chosen if chosen in [*results, *bicubic.values()] else results[0]
        self._views.renew(request, right, list(bicubic.values()))

    def _dispose(self) -> None:
        self._quit_worker()
        self._pause.stop()
        self._views.stop()
        self._curves.disconnect_all()
        self._news.disconnect_all()
        self._choices.disconnect_all()
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._layers_changed)
        layers.events.removed.disconnect(self._layers_changed)
        layers.events.renamed.disconnect(self._layers_renamed)
        self._viewer.dims.events.current_step.disconnect(self._later)
        self._viewer.events.theme.disconnect(self._theme_changed)
