"""ISR's weight files: which network they belong to, and their tensors. Free of Keras.

ISR saved weights with Keras 2's ``save_weights``: an HDF5 file with a group per layer, which holds
the layer's tensors, such as ``F_1_2/F_1_2/kernel:0``. The network itself is not written down
there, but follows from the names and shapes. Here a tensor is called ``"F_1_2/kernel"``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import ModelFileError
from src_models.models.config import Upscaling
from src_models.models.description import ModelDescription
from src_models.models.isr_config import (
    Shape,
    check_tensors,
    infer_config,
    shapes_of,
    with_overrides,
)

_HDF5 = b"\x89HDF\r\n\x1a\n"
# The most that one of ISR's own networks was found to need, see benchmarks/measure_overlap.py.
_OVERLAP = 24


def is_legacy(path: str | Path) -> bool:
    """Tell whether a file is of Keras 2: HDF5 by content or by name."""
    path = Path(path)
    if path.name.endswith(".weights.h5"):  # Keras 3's, which say nothing of the network
        return False
    return path.suffix in (".hdf5", ".h5") or (path.is_file() and _start_of(path) == _HDF5)


def _start_of(path: Path, length: int = len(_HDF5)) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def read_tensors(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read all tensors of a weight file.

    Parameters
    ----------
    path : str or Path
        An HDF5 file that Keras 2 wrote with ``save_weights`` or ``save``.

    Returns
    -------
    dict
        ``"layer/tensor"`` to its values.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, not HDF5 or not such a file.
    """
    with _datasets(Path(path)) as found:
        return {name: np.asarray(data[()], np.float32) for name, data in found.items()}


def read_shapes(path: str | Path) -> dict[str, Shape]:
    """Read the shapes of all tensors of a weight file; as `read_tensors`, in no time."""
    with _datasets(Path(path)) as found:
        return {name: tuple(data.shape) for name, data in found.items()}


@contextmanager
def _datasets(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise ModelFileError(
            f"There is no weight file {str(path)!r}: check the path, or choose a named model."
        )
    import h5py

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" not in root.attrs and "layers" in root:
                raise ModelFileError(
                    f"{path.name!r} holds weights that Keras 3 saved, without the network: build "
                    "the network and use its model.load_weights(...), or save it with save(...)."
                )
            yield _collect(root)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelFileError(_why_unreadable(path, error)) from error


def _collect(root: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def add(full_name: str, item: Any) -> None:
        if not hasattr(item, "dtype"):  # a group
            return
        layer, _, rest = full_name.partition("/")
        # Keras numbers the part between when a network is built twice: F_0/F_0_1/kernel:0.
        name = f"{layer}/{rest.rsplit('/', 1)[-1].removesuffix(':0')}"
        if name in found or item.dtype.kind != "f":
            name = full_name
        found[name] = item

    root.visititems(add)
    return found


def _why_unreadable(path: Path, error: Exception) -> str:
    if _start_of(path, 64).startswith(b"version https://git-lfs"):
        return (
            f"{path.name!r} is not the weights but Git LFS' pointer to them: run 'git lfs pull' "
            "in its folder, or use the named model instead."
        )
    if _start_of(path) != _HDF5:
        return (
            f"{path.name!r} is no HDF5 file, whatever its name says: choose a weight file that "
            "ISR saved, or download it again."
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    return f"{path.name!r} is damaged ({reason}): copy or download it again."


def describe_legacy(
    path: str | Path, *, upscaling: Upscaling | None = None, beta: float | None = None
) -> ModelDescription:
    """Describe the network of an ISR weight file.

    Parameters
    ----------
    path : str or Path
        The file.
    upscaling : {"ups", "shuffle"}, optional
        How an RDN enlarges, where it cannot be told: at scale 1.
    beta : float, optional
        Residual factor of an RRDN, which no file tells; ISR's default without it.

    Returns
    -------
    ModelDescription
        Named after the file.

    Raises
    ------
    ModelFileError
        If the file cannot be read, or its tensors are not exactly those of one of ISR's networks.
    InvalidInputError
        If a keyword does not fit.
    """
    path = Path(path)
    shapes = read_shapes(path)
    config = with_overrides(infer_config(shapes, path.name), upscaling, beta)
    check_tensors(shapes, shapes_of(config), path.name, f"{config.network} {config.arch_params}")
    description = ModelDescription(
        name=path.stem,
        config=config,
        intensity="8-bit",
        summary="Weights that ISR saved.",
        training={"weights": path.name},
    )
    return as_isr_trained(description)


def as_isr_trained(description: ModelDescription) -> ModelDescription:
    """Return the description of a network with weights of ISR's.

    They were trained and run with bare borders; the overlap is what the hardest of ISR's networks
    needs, where no other is known.
    """
    overlap = description.overlap
    if overlap is None:
        overlap = min(description.config.receptive_radius, _OVERLAP)
    return replace(description, border="bare", overlap=overlap)
