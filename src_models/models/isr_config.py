"""From the names and shapes of the tensors in an ISR weight file to the network they belong to.

A tensor is called ``"F_1_2/kernel"``. Sizes are taken by majority, so that a tensor that is missing
or strange can be named afterwards, when the file is compared with the network tensor by tensor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isqrt
from typing import Any

from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.config import NetworkConfig, RDNConfig, RRDNConfig, Upscaling

Shape = tuple[int, ...]

_RDN_LAYERS = ("F_m1", "F_0", "GFF_1", "GFF_2", "UPN1", "UPN2", "UPN3")
_RRDN_LAYERS = ("Pre_blocks_conv", "post_blocks_conv", "PreShuffle")
_MOST_LISTED = 12
_AGAIN = "copy or download it again"


def infer_config(shapes: Mapping[str, Shape], filename: str) -> NetworkConfig:
    """Find the network whose tensors these are, or nearly are.

    Parameters
    ----------
    shapes : mapping
        ``"layer/tensor"`` to its shape.
    filename : str
        For messages.

    Raises
    ------
    ModelFileError
        If they belong to no network of ISR, or too few are there to tell which.
    """
    kernels = {
        name.removesuffix("/kernel"): shape
        for name, shape in shapes.items()
        if name.endswith("/kernel") and len(shape) == 4
    }
    rdn = sum(layer in kernels for layer in _RDN_LAYERS)
    rrdn = sum(layer in kernels for layer in _RRDN_LAYERS)
    if rdn == rrdn == 0:
        raise ModelFileError(_no_network_of_isr(shapes, filename))
    try:
        return _infer_rdn(kernels) if rdn > rrdn else _infer_rrdn(kernels)
    except _UndeterminedError as error:
        kind = "an RDN" if rdn > rrdn else "an RRDN"
        raise ModelFileError(f"{filename!r} looks like {kind} of ISR, but {error}.") from error
    except InvalidInputError as error:
        raise ModelFileError(f"{filename!r} cannot be used: {error}") from error


def with_overrides(
    config: NetworkConfig, upscaling: Upscaling | None = None, beta: float | None = None
) -> NetworkConfig:
    """Return a configuration with what its weight file leaves open settled.

    Parameters
    ----------
    config : RDNConfig or RRDNConfig
        As inferred.
    upscaling : {"ups", "shuffle"}, optional
        Of an RDN. It can be told from the file but at scale 1, where it makes no difference.
    beta : float, optional
        Of an RRDN. No file tells; without it, it is ISR's default of 0.2.

    Raises
    ------
    InvalidInputError
        If the network has no such setting, or the value is out of range.
    """
    given = {"upscaling": upscaling, "beta": beta}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if not hasattr(config, name):
            raise InvalidInputError(
                f"A network of kind {config.network.upper()} has no setting {name}. "
                f"Received: {name}={value!r}. Leave it out."
            )
    return replace(config, **changes)


def shapes_of(config: NetworkConfig) -> dict[str, Shape]:
    """Return the shapes of all tensors that a network has."""
    shapes: dict[str, Shape] = {}
    for conv in config.convs():
        shapes[f"{conv.name}/kernel"] = (conv.kernel, conv.kernel, conv.inputs, conv.filters)
        shapes[f"{conv.name}/bias"] = (conv.filters,)
    return shapes


def check_tensors(
    found: Mapping[str, Shape], expected: Mapping[str, Shape], filename: str, network: str
) -> None:
    """Check that a file holds each tensor of a network, and no other.

    Raises
    ------
    ModelFileError
        If not; the message lists those that are missing, unknown or of another shape.
    """
    lists = {
        "missing": [f"{n} {s}" for n, s in expected.items() if n not in found],
        "not known": [f"{n} {s}" for n, s in found.items() if n not in expected],
        "of another shape": [
            f"{n} {found[n]}, which should be {s}"
            for n, s in expected.items()
            if n in found and found[n] != s
        ],
    }
    faults = "; ".join(f"{what}: {_listed(names)}" for what, names in lists.items() if names)
    if faults:
        raise ModelFileError(
            f"The tensors in {filename!r} do not fit the network {network}. {faults}. "
            "Copy or download the file again, or build the network that it was saved from."
        )


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _no_network_of_isr(shapes: Mapping[str, Shape], filename: str) -> str:
    layers = list(dict.fromkeys(name.split("/")[0] for name in shapes))
    if {"Conv_1", "Dense_1024"} <= set(layers):
        return (
            f"{filename!r} holds the weights of ISR's discriminator, which upscales nothing: "
            "use Discriminator(...).model.load_weights(...) for them."
        )
    holds = f"its layers are {_listed(layers)}" if layers else "it holds no tensor"
    return (
        f"{filename!r} holds neither an RDN nor an RRDN of ISR: {holds}. "
        "Choose a weight file that ISR saved for a generator."
    )


class _UndeterminedError(Exception):
    """A size does not follow from the tensors that are there."""


def _infer_rdn(kernels: Mapping[str, Shape]) -> RDNConfig:
    blocks = _numbered(r"F_(\d+)_(\d+)", kernels)
    fusions = [kernels[name] for name in kernels if re.fullmatch(r"LFF_\d+", name)]
    trunk = _shapes(kernels, "F_m1", "F_0", "GFF_1", "GFF_2")
    channels = _channels(kernels, "F_m1")
    scale = _scale(kernels, "UPN3", channels)
    last = kernels.get("SR")
    shuffles = last is not None and last[2] == channels != channels * scale**2
    return RDNConfig(
        C=_most("C", (c for _, c in blocks)),
        D=_most("D", (d for d, _ in blocks)),
        G=_usual("G", (s[3] for s in blocks.values())),
        G0=_usual("G0", (s[3] for s in (*trunk, *fusions))),
        x=scale,
        c_dim=channels,
        kernel_size=_usual(
            "the kernel size",
            (s[0] for s in (*blocks.values(), *_shapes(kernels, "F_m1", "F_0", "GFF_2", "SR"))),
        ),
        upscaling="shuffle" if shuffles else "ups",
    )


def _infer_rrdn(kernels: Mapping[str, Shape]) -> RRDNConfig:
    blocks = _numbered(r"F_(\d+)_(\d+)_(\d+)", kernels)
    fusions = [kernels[name] for name in kernels if re.fullmatch(r"LFF_\d+_\d+", name)]
    trunk = _shapes(kernels, "Pre_blocks_conv", "post_blocks_conv")
    channels = _channels(kernels, "Pre_blocks_conv")
    return RRDNConfig(
        C=_most("C", (c for _, _, c in blocks)),
        D=_most("D", (d for _, d, _ in blocks)),
        G=_usual("G", (s[3] for s in blocks.values())),
        G0=_usual("G0", (s[3] for s in (*trunk, *fusions))),
        T=_most("T", (t for t, _, _ in blocks)),
        x=_scale(kernels, "PreShuffle", channels),
        c_dim=channels,
        kernel_size=_usual(
            "the kernel size",
            (s[0] for s in (*blocks.values(), *_shapes(kernels, "Pre_blocks_conv", "SR"))),
        ),
    )


def _numbered(pattern: str, kernels: Mapping[str, Shape]) -> dict[tuple[int, ...], Shape]:
    matches = ((re.fullmatch(pattern, name), shape) for name, shape in kernels.items())
    return {tuple(map(int, m.groups())): shape for m, shape in matches if m}


def _shapes(kernels: Mapping[str, Shape], *layers: str) -> list[Shape]:
    return [kernels[layer] for layer in layers if layer in kernels]


def _most(symbol: str, numbers: Iterable[int]) -> int:
    most = max(numbers, default=0)
    if most == 0:
        raise _UndeterminedError(f"it has no dense block, so {symbol} cannot be told: {_AGAIN}")
    return most


def _usual(what: str, values: Iterable[int]) -> int:
    """Return what most tensors say, so that a single strange one can be named afterwards."""
    counted = Counter(values).most_common(1)
    if not counted:
        raise _UndeterminedError(f"it has no tensor that tells {what}: {_AGAIN}")
    return counted[0][0]


def _channels(kernels: Mapping[str, Shape], first: str) -> int:
    takes = [shape[2] for shape in _shapes(kernels, first)]
    gives = [shape[3] for shape in _shapes(kernels, "SR")]
    if takes and gives and takes != gives:
        raise _UndeterminedError(
            f"it takes {takes[0]} channels and gives {gives[0]}, which ISR builds by mistake for "
            "any c_dim but 3: train a network of as many channels in as out"
        )
    return _usual("the number of channels", [*gives, *takes])


def _scale(kernels: Mapping[str, Shape], layer: str, channels: int) -> int:
    if layer not in kernels:
        raise _UndeterminedError(
            f"{layer}/kernel is missing, so the scale cannot be told: {_AGAIN}"
        )
    phases, rest = divmod(kernels[layer][3], channels)
    if rest or isqrt(phases) ** 2 != phases:
        raise _UndeterminedError(
            f"{layer}/kernel gives {kernels[layer][3]} channels, which is not {channels} times "
            f"the square of a scale: {_AGAIN}"
        )
    return isqrt(phases)
