"""The fields of the Upscale widget that ask how far to believe a result."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container

from napari_isr.bridge.trust_layers import Trust

_LAYERS = [
    ("no layer", ""),
    ("layer of the expected error", "expected error"),
    ("layer of the standard deviation", "standard deviation"),
]


class TrustFields:
    """What can be asked for beyond upscaling.

    Attributes
    ----------
    container : Container
        The fields; tells when any of them changes.
    """

    def __init__(self) -> None:
        self.self_ensemble, self.keep_intensities = ensemble_box(), intensities_box()
        self.uncertainty = ComboBox(
            name="uncertainty",
            label="Uncertainty",
            choices=_LAYERS,
            value="",
            tooltip="A second layer, bright where the result is likely to be wrong, in the image's "
            "own intensity units. The standard deviation tells how far the answers to eight flips "
            "and turns are apart; the expected error weighs it by detail and brightness, and ranks "
            "places better. Either takes eight times the time, and neither bounds the error.",
        )
        self.consistency = CheckBox(
            name="consistency",
            text="Add a layer where it disagrees with the image",
            tooltip="Consistency: the result, brought back to the image's own pixels, minus the "
            "image, in sigmas of the image's noise. Pale is agreement, full red or blue is 3 "
            "sigmas or more too bright or too dark. The share of pixels that agree is told after "
            "each run anyway.",
        )
        self._tie = EnsembleLink(self.self_ensemble, self.uncertainty)
        fields = [self.self_ensemble, self.uncertainty, self.consistency, self.keep_intensities]
        self.container = Container[Any](widgets=fields, labels=True)
        self.container.margins = (0, 0, 0, 0)

    @property
    def chosen(self) -> Trust:
        """What is asked for."""
        return Trust(
            self_ensemble=bool(self.self_ensemble.value),
            keep_intensities=bool(self.keep_intensities.value),
            uncertainty=self.uncertainty.value or None,
            consistency=bool(self.consistency.value),
        )


class EnsembleLink:
    """Shows that an uncertainty takes a self-ensemble, and no longer than it is asked for.

    Parameters
    ----------
    self_ensemble : CheckBox
        Checked meanwhile, and as before afterwards.
    uncertainty : ComboBox
        Whose value is true while one is asked for.
    """

    def __init__(self, self_ensemble: CheckBox, uncertainty: ComboBox) -> None:
        self._box, self._uncertainty = self_ensemble, uncertainty
        self._was_asked = False
        uncertainty.changed.connect(self._arrange)

    def _arrange(self) -> None:
        is_free, takes_it = self._box.enabled, bool(self._uncertainty.value)
        if is_free == takes_it:
            if takes_it:
                self._was_asked = bool(self._box.value)
            self._box.enabled = not takes_it
            with self._box.changed.blocked():  # the uncertainty tells
                self._box.value = takes_it or self._was_asked


def ensemble_box() -> CheckBox:
    """Return the choice of a self-ensemble."""
    return CheckBox(
        name="self_ensemble",
        text="Average eight flips and turns (8 x the time)",
        tooltip="Self-ensemble, the papers' '+': the network sees the image in eight flips and "
        "turns, and the answers are averaged. A little closer to the truth, in eight times the "
        "time.",
    )


def intensities_box() -> CheckBox:
    """Return the choice to keep intensities."""
    return CheckBox(
        name="keep_intensities",
        text="Keep intensities: sums over regions stay",
        tooltip="Change the result as little as it takes to be the image again when binned, so "
        "that sums and means over regions can be measured. It keeps the image's noise, too, "
        "and so undoes what a denoising model did.",
    )
