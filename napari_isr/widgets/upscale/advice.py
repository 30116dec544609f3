"""What the Upscale widget says of an image before it is upscaled: shown, never in the way."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_isr.widgets.shared.fields import Note
from napari_isr.widgets.shared.worker import new_worker
from src_models.images.axes import ImageStack
from src_models.models.description import ModelDescription
from src_models.quality.image_checks import Finding, check_stack

if TYPE_CHECKING:
    import napari.layers


class Subject(NamedTuple):
    """A layer, what it is taken for, and the model that is to upscale it."""

    layer: napari.layers.Image
    stack: ImageStack
    model: ModelDescription


class _Look(NamedTuple):
    """What was found in a layer's pixels, seen along these axes, for this model."""

    array: ref[Any]
    axes: str
    model: ModelDescription
    findings: list[Finding]


_LOOKED: WeakKeyDictionary[napari.layers.Image, _Look] = WeakKeyDictionary()


class AdviceNote(Note):
    """A note that looks at an image and says what it found.

    Pixels in memory are looked at on the spot, once for each choice of layer, axes and model.
    Reading lazy ones may take long, so that happens in a thread.
    """

    def __init__(self) -> None:
        super().__init__("advice")
        self._subject: Subject | None = None
        self._theme = "dark"
        self._is_open = True
        self.native.destroyed.connect(lambda: self._close())

    def advise(self, subject: Subject | None, theme: str) -> None:
        """Say what there is to say of a subject; nothing without one."""
        before, self._subject, self._theme = self._subject, subject, theme
        findings = [] if subject is None else _known(subject)
        if subject is not None and findings is None:
            if isinstance(subject.stack.array, np.ndarray):
                findings = _remember(subject, check_stack(subject.stack, subject.model))
            elif before is None or not _is_same(before, subject):
                self._look_in_a_thread(subject)
        self._show(findings or [])

    def _look_in_a_thread(self, subject: Subject) -> None:
        worker = new_worker(_looking, subject)
        worker.returned.connect(lambda findings: self._found(subject, findings))
        worker.start()

    def _found(self, subject: Subject, findings: list[Finding]) -> None:
        _remember(subject, findings)
        if self._is_open and self._subject is not None and _is_same(self._subject, subject):
            self._show(findings)

    def _show(self, findings: list[Finding]) -> None:
        sentences = [finding.message for finding in findings]
        if self._subject is not None and self._subject.model.faithful:
            model = self._subject.model
            sentences.insert(
                0,
                f"{model.name} invents detail that was not recorded: for looking at, not for "
                f"measuring. With sharpness 0 it is {model.faithful}, which adds none for looks.",
            )
        text = "\n".join(f"• {sentence}" for sentence in sentences)
        self.say(text, complaint=True, theme=self._theme, bold=False)

    def _close(self) -> None:
        self._is_open = False


def _looking(subject: Subject) -> Generator[None, None, list[Finding]]:
    yield
    return check_stack(subject.stack, subject.model)


def _is_same(a: Subject, b: Subject) -> bool:
    return (
        a.layer is b.layer
        and a.stack.array is b.stack.array
        and a.stack.axes == b.stack.axes
        and a.model is b.model
    )


def _known(subject: Subject) -> list[Finding] | None:
    """Return what a layer was found to be before, for all refreshes of the form."""
    seen = _LOOKED.get(subject.layer)
    if seen is None or seen.array() is not subject.stack.array:
        return None
    is_same = seen.axes == subject.stack.axes and seen.model is subject.model
    return seen.findings if is_same else None


def _remember(subject: Subject, findings: list[Finding]) -> list[Finding]:
    stack = subject.stack
    _LOOKED[subject.layer] = _Look(ref(stack.array), stack.axes, subject.model, findings)
    return findings
