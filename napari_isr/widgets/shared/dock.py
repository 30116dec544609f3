"""A dock widget of several threads: it notices when it is closed, and lets go of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QSizePolicy, QWidget


class WhileOpen:
    """Keeps a worker's last signals from a dock widget that was closed."""

    _is_open: bool

    def _while_open(self, slot: Callable[..., None]) -> Callable[..., None]:
        """Return a slot that the worker's last signals may reach after the dock was closed."""

        def guarded(*args: Any) -> None:
            if self._is_open:
                slot(*args)

        return guarded


class DockedWidget(QWidget, WhileOpen):
    """Base of dock widgets; they say in `_dispose` what ends with them."""

    def __init__(self) -> None:
        self._is_docked, self._is_open = False, True
        super().__init__()
        # Otherwise napari adds a stretch that takes more of the height with every dock opened.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.destroyed.connect(lambda: self._close())

    def event(self, event: QEvent | None) -> bool:
        """Notice that napari took the widget out of its dock, which does not destroy it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._is_docked:
                self._close()
            self._is_docked = self.parent() is not None
        return bool(super().event(event))

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._dispose()

    def _dispose(self) -> None:
        """Stop threads and disconnect; the Qt widgets may be gone already."""
        raise NotImplementedError
