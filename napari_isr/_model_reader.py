"""Model files that are dropped onto napari, or opened in it: into the Upscale widget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info

from napari_isr.widgets.shared.model_opening import looking, needs_probing
from napari_isr.widgets.shared.worker import new_worker
from src_models.errors import SuperResolutionError
from src_models.models.description import ModelDescription
from src_models.models.registry import describe_model

_ENDINGS = (".keras", ".onnx", ".onnx.zip")
# napari's word for a file that was read and holds no layer.
_NO_LAYER: list[tuple[None]] = [(None,)]


def get_model_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[tuple[None]]] | None:
    """Return what opens model files, or None if a file is none by its name."""
    paths = [path] if isinstance(path, str) else path
    are_ours = all(str(one).lower().endswith(_ENDINGS) for one in paths)
    return open_models if paths and are_ours else None


def open_models(path: str | Sequence[str]) -> list[tuple[None]]:
    """Choose models in the Upscale widget, which is opened if it is not; no layer is added.

    A file that cannot be used ends in a notification that says why, and opens no widget.

    Parameters
    ----------
    path : str or sequence of str
        Model files of napari-isr, or ONNX files of other super-resolution networks.
    """
    for one in [path] if isinstance(path, str) else path:
        if needs_probing(one) and _has_window():
            worker = new_worker(looking, one)
            worker.returned.connect(partial(_choose, one))
            worker.errored.connect(lambda error: show_error(str(error)))
            worker.start()
            continue
        try:
            description = describe_model(one)
        except SuperResolutionError as error:
            show_error(str(error))
        else:
            _choose(one, description)
    return _NO_LAYER


def _choose(path: str, description: ModelDescription) -> None:
    widget = _upscale_widget()
    if widget is None:
        show_error(
            f"The file holds the model {description.name!r}. The Upscale widget takes it, "
            "which needs a window of napari."
        )
        return
    widget.open_model_file(path)
    show_info(f"The model {description.name!r} is chosen in the Upscale widget.")


def _has_window() -> bool:
    import napari

    return napari.current_viewer() is not None


def _upscale_widget() -> Any:
    """Return the Upscale widget of the window in use, opened if it is not; None without window."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        return None
    dock, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Upscale")
    dock.show()
    dock.raise_()
    # One that was open already comes as what Qt knows of it.
    return getattr(widget, "_magic_widget", widget)
