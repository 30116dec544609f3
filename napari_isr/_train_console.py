"""Training from the napari console and from scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from napari_isr.widgets.train.form import make_settings, new_training_folder
from napari_isr.widgets.train.job import SIZES, Goal, LayerSnapshot, TrainingJob
from napari_isr.widgets.train.thread import Training
from src_models.checks import check_whole
from src_models.errors import InvalidInputError
from src_models.images.degradation import DegradationName
from src_models.training.settings import TrainingSettings
from src_models.training.sources import Source


def train(
    images: Source,
    low: Source | None = None,
    *,
    model: str | Path = "small",
    scale: int = 2,
    goal: Goal = "faithful",
    minutes: float = 10.0,
    epochs: int | None = None,
    name: str | None = None,
    made_by: DegradationName = "bicubic",
    settings: TrainingSettings | None = None,
    folder: str | Path | None = None,
) -> Training:
    """Train a network on images, in the background; the same as the Train widget does.

    Parameters
    ----------
    images : folder, layer, array, or a list of layers or arrays
        High-resolution images.
    low : likewise, optional
        The low-resolution side of each; None to make it from `images`.
    model : str or Path
        ``"small"``, ``"medium"`` or ``"large"`` to start from scratch; or the name or file of a
        model to go on from.
    scale : int
        Output pixels per input pixel, from scratch; otherwise the model's own counts.
    goal : {"faithful", "sharp"}
        Close to the truth, or, after a phase of that, like it to the eye.
    minutes : float
        How long to train.
    epochs : int, optional
        How many epochs to train, instead of `minutes`.
    name : str, optional
        To save the model under when the training ends; then it is one of the named models.
    made_by : {"bicubic", "binned", "microscope", "jpeg"}
        How the low-resolution side is made.
    settings : TrainingSettings, optional
        All of them, instead of `minutes`, `epochs` and `made_by`.
    folder : str or Path, optional
        For checkpoints and curves; a new one beside the user's models if None.

    Returns
    -------
    Training
        With ``progress``, ``pause()``, ``resume()``, ``stop()`` and ``result()``.

    Raises
    ------
    InvalidInputError
        If an argument does not fit. What is wrong with images and models is raised by
        ``result()``.

    Examples
    --------
    >>> import napari_isr
    >>> training = napari_isr.train(viewer.layers["cells"], name="cells")  # doctest: +SKIP
    >>> training.progress  # doctest: +SKIP
    'Epoch 3, step 40 of 100, loss 0.0123, +0.42 dB against bicubic, 512 s left.'
    """
    if goal not in get_args(Goal):
        raise InvalidInputError(f"goal must be 'faithful' or 'sharp'. Received: goal={goal!r}.")
    if not isinstance(folder, str | Path | None):
        raise InvalidInputError(f"folder must be the path of one. Received: folder={folder!r}.")
    if not isinstance(settings, TrainingSettings | None):
        raise InvalidInputError(f"settings must be TrainingSettings. Received: {settings!r}.")
    scale = check_whole("scale", scale)
    is_new = str(model) in SIZES
    size = str(model) if is_new else "small"
    job = TrainingJob(
        hr=_taken(images),
        lr=None if low is None else _taken(low),
        model=None if is_new else model,
        size=size,
        scale=scale,
        channels=None,
        goal=goal,
        settings=settings
        or make_settings(
            size if is_new else None, minutes=minutes, epochs=epochs, degradation=made_by
        ),
        folder=new_training_folder() if folder is None else Path(folder).expanduser(),
    )
    return Training(job, name).start()


def _taken(images: Any) -> Any:
    if isinstance(images, str | Path):
        return images
    listed = list(images) if isinstance(images, list | tuple) else [images]
    return [LayerSnapshot.of(i) if hasattr(i, "multiscale") else i for i in listed]
