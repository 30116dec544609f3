"""Make small weight files as ISR did, and say what ISR's networks answer with them.

``python tests/data_making/legacy_weights.py FOLDER`` writes one file for each network below. Names,
order and layout are those that Keras 2's ``save_weights`` gave for ISR's networks; the answers are
computed in numpy, straight from the description of the networks and apart from this project.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]
Shapes = dict[str, tuple[int, ...] | None]  # of kernels, None for layers without weights

# What Keras 2 takes for the most that HDF5 keeps in one attribute.
LONGEST_ATTRIBUTE = 64512


def rdn_layers(
    C: int, D: int, G: int, G0: int, x: int, c: int = 3, k: int = 3, upscaling: str = "ups"
) -> Shapes:
    """Return ISR's RDN, layer by layer."""
    layers: Shapes = {"LR": None, "F_m1": (k, k, c, G0), "F_0": (k, k, G0, G0)}
    for d in range(1, D + 1):
        for i in range(1, C + 1):
            layers[f"F_{d}_{i}"] = (k, k, G0 + (i - 1) * G, G)
            layers |= {f"F_{d}_{i}_Relu": None, f"RDB_Concat_{d}_{i}": None}
        layers |= {f"LFF_{d}": (1, 1, G0 + C * G, G0), f"LRL_{d}": None}
    layers |= {"LRLs_Concat": None, "GFF_1": (1, 1, D * G0, G0), "GFF_2": (k, k, G0, G0)}
    layers |= {"FDF": None, "UPN1": (5, 5, G0, 64), "UPN1_Relu": None, "UPN2": (3, 3, 64, 32)}
    layers |= {"UPN2_Relu": None, "UPN3": (3, 3, 32, c * x**2)}
    if upscaling == "ups":
        return layers | {"UPsample": None, "SR": (k, k, c * x**2, c)}
    return layers | {"PixelShuffle": None, "SR": (k, k, c, c)}


def rrdn_layers(C: int, D: int, G: int, G0: int, T: int, x: int, c: int = 3, k: int = 3) -> Shapes:
    """Return ISR's RRDN, layer by layer."""
    layers: Shapes = {"LR_input": None, "Pre_blocks_conv": (k, k, c, G0)}
    betas = 0
    for t in range(1, T + 1):
        for d in range(1, D + 1):
            for i in range(1, C + 1):
                layers[f"F_{t}_{d}_{i}"] = (k, k, G0 + (i - 1) * G, G)
                layers |= {f"F_{t}_{d}_{i}_Relu": None, f"RDB_Concat_{t}_{d}_{i}": None}
            layers[f"LFF_{t}_{d}"] = (3, 3, G0 + C * G, G0)
            layers |= {_numbered("multiply_beta", betas): None, f"LRL_{t}_{d}": None}
            betas += 1
        layers |= {_numbered("multiply_beta", betas): None, f"RRDB_{t}_out": None}
        betas += 1
    layers |= {"post_blocks_conv": (3, 3, G0, G0), "GRL": None}
    layers |= {"PreShuffle": (3, 3, G0, c * x**2), "pixel_shuffle": None, "SR": (k, k, c, c)}
    return layers


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def random_tensors(layers: Shapes, seed: int = 0) -> Tensors:
    """Return weights with which an image in [0, 1] gives an answer of about that size."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for name, shape in layers.items():
        if shape is not None:
            spread = (1.5 / np.prod(shape[:3])) ** 0.5
            tensors[f"{name}/kernel"] = rng.normal(0, spread, shape).astype(np.float32)
            tensors[f"{name}/bias"] = rng.normal(0, 0.05, shape[3]).astype(np.float32)
    return tensors


def write(
    path: Path,
    layers: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    *,
    scope: str = "{layer}",
    root: str = "",
    text: type = bytes,
    top_level: bool = True,
) -> Path:
    """Write a file as ``save_weights`` did.

    Parameters
    ----------
    path : Path
        The file.
    layers : mapping
        Names of all layers in order.
    tensors : mapping
        ``"layer/kernel"`` to values, in order.
    scope : str
        What stands between layer and tensor; Keras numbers it when a network is built twice.
    root : str
        Group that holds everything: ``"model_weights"`` in files of ``save``.
    text : type
        Of the names in attributes: bytes, or str in later versions.
    top_level : bool
        Whether there is a group for the tensors of no layer, as in later versions.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        group.attrs["backend"] = "tensorflow"
        group.attrs["keras_version"] = "2.2.4"
        _write_names(group, "layer_names", list(layers), text)
        for layer in layers:
            own = [name for name in tensors if name.split("/")[0] == layer]
            stored = [f"{scope.format(layer=layer)}/{name.split('/', 1)[1]}:0" for name in own]
            layer_group = group.create_group(layer)
            _write_names(layer_group, "weight_names", stored, text)
            for name, key in zip(own, stored, strict=True):
                layer_group[key] = tensors[name]
        if top_level:
            _write_names(group.create_group("top_level_model_weights"), "weight_names", [], text)
    return path


def _write_names(group: Any, key: str, names: list[str], text: type) -> None:
    if text is str or not names:
        group.attrs[key] = names
        return
    encoded = np.array([name.encode() for name in names])
    parts = -(-encoded.nbytes // LONGEST_ATTRIBUTE)
    if parts == 1:
        group.attrs[key] = encoded
        return
    for i, part in enumerate(np.array_split(encoded, parts)):
        group.attrs[f"{key}{i}"] = part


def output(tensors: Tensors, image: NDArray[Any], beta: float = 0.2) -> NDArray[np.float64]:
    """Return what ISR's network of these tensors makes of an image ``(H, W, c)`` in [0, 1]."""
    conv = _Convs(tensors)
    numbers = [n.split("/")[0].split("_")[1:] for n in tensors if n.startswith("F_")]
    if "F_m1/kernel" in tensors:
        blocks = [n for n in numbers if len(n) == 2]
        D, C = (max(int(n[i]) for n in blocks) for i in (0, 1))
        return _rdn(conv, image, D, C)
    T, D, C = (max(int(n[i]) for n in numbers) for i in (0, 1, 2))
    return _rrdn(conv, image, (T, D, C), beta)


class _Convs:
    """Convolutions by name, padded with zeros to the input's size."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    def __call__(self, name: str, x: NDArray[Any], relu: bool = False) -> NDArray[np.float64]:
        kernel = self.tensors[f"{name}/kernel"].astype(np.float64)
        rim = kernel.shape[0] // 2
        padded = np.pad(x, ((rim, rim), (rim, rim), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))
        y = np.einsum("yxcij,ijcf->yxf", windows, kernel, optimize=True)
        y = y + self.tensors[f"{name}/bias"]
        return np.maximum(y, 0) if relu else y

    def dense(self, x: NDArray[Any], block: str, C: int) -> NDArray[np.float64]:
        for i in range(1, C + 1):
            x = np.concatenate([x, self(f"F_{block}_{i}", x, relu=True)], axis=-1)
        return self(f"LFF_{block}", x)


def _rdn(conv: _Convs, image: NDArray[Any], D: int, C: int) -> NDArray[np.float64]:
    first = conv("F_m1", image)
    x = conv("F_0", first)
    blocks = []
    for d in range(1, D + 1):
        x = x + conv.dense(x, f"{d}", C)
        blocks.append(x)
    x = first + conv("GFF_2", conv("GFF_1", np.concatenate(blocks, axis=-1)))
    x = conv("UPN3", conv("UPN2", conv("UPN1", x, relu=True), relu=True))
    channels = image.shape[-1]
    scale = round((x.shape[-1] / channels) ** 0.5)
    if conv.tensors["SR/kernel"].shape[2] == x.shape[-1]:
        return conv("SR", x.repeat(scale, axis=0).repeat(scale, axis=1))
    return conv("SR", _shuffle(x, scale))


def _rrdn(
    conv: _Convs, image: NDArray[Any], sizes: tuple[int, int, int], beta: float
) -> NDArray[np.float64]:
    T, D, C = sizes
    first = x = conv("Pre_blocks_conv", image)
    for t in range(1, T + 1):
        inside = x
        for d in range(1, D + 1):
            inside = inside + beta * conv.dense(inside, f"{t}_{d}", C)
        x = x + beta * inside
    x = conv("PreShuffle", first + conv("post_blocks_conv", x))
    return conv("SR", _shuffle(x, round((x.shape[-1] / image.shape[-1]) ** 0.5)))


def _shuffle(x: NDArray[Any], scale: int) -> NDArray[Any]:
    height, width, phases = x.shape
    cells = x.reshape(height, width, scale, scale, phases // scale**2)
    return cells.transpose(0, 2, 1, 3, 4).reshape(height * scale, width * scale, -1)


SMALL = {
    "rdn-x2": rdn_layers(2, 2, 4, 6, 2),
    "rdn-x3-shuffle": rdn_layers(2, 2, 4, 6, 3, upscaling="shuffle"),
    "rdn-x4": rdn_layers(1, 3, 5, 4, 4),
    "rdn-x8-grey": rdn_layers(2, 1, 4, 4, 8, c=1),
    "rdn-x2-wide-kernels": rdn_layers(1, 2, 4, 4, 2, k=5),
    "rrdn-x2": rrdn_layers(2, 2, 4, 6, 2, 2),
    "rrdn-x3": rrdn_layers(3, 1, 4, 4, 1, 3),
    "rrdn-x4": rrdn_layers(1, 2, 4, 6, 3, 4),
    "rrdn-x8-grey": rrdn_layers(2, 1, 4, 4, 2, 8, c=1),
}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, layers in SMALL.items():
        write(folder / f"{name}.hdf5", layers, random_tensors(layers))
