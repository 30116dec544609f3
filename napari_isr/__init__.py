"""Super-resolution of image layers in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_isr._console import upscale
    from napari_isr._train_console import train

__version__ = "0.1.0"
__all__ = ["__version__", "train", "upscale"]


def __getattr__(name: str) -> Any:
    if name == "upscale":
        from napari_isr._console import upscale

        return upscale
    if name == "train":
        from napari_isr._train_console import train

        return train
    raise AttributeError(f"module 'napari_isr' has no attribute {name!r}")
