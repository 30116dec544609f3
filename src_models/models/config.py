"""The networks as data: their settings, checked, and the convolutions that follow from them.

The papers' one-letter symbols keep their places here and in ``arch_params``, and nowhere else:

======  ==========================================================  ============
symbol  meaning                                                     networks
======  ==========================================================  ============
``C``   convolutions in a residual dense block (RDB)                RDN, RRDN
``D``   RDBs in the network (RDN), in a RRDB (RRDN)                 RDN, RRDN
``G``   growth rate: filters of each convolution in a RDB           RDN, RRDN
``G0``  filters of the trunk, what a RDB takes and gives            RDN, RRDN
``T``   residual-in-residual dense blocks (RRDB)                    RRDN
``x``   scale: output pixels per input pixel along an axis          RDN, RRDN
======  ==========================================================  ============

References
----------
.. [1] Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018,
   https://arxiv.org/abs/1802.08797
.. [2] Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks",
   ECCV Workshops 2018, https://arxiv.org/abs/1809.00219
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from src_models.errors import InvalidInputError

Upscaling = Literal["ups", "shuffle"]


class Conv(NamedTuple):
    """One convolution of a network.

    Attributes
    ----------
    name : str
        Name of the layer, ISR's.
    kernel : int
        Width and height of the kernel in pixels.
    inputs, filters : int
        Number of input and output channels.
    at_scale : int
        Pixels per input pixel along an axis where it runs: 1, or the network's scale.
    """

    name: str
    kernel: int
    inputs: int
    filters: int
    at_scale: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _NetworkConfig:
    """What RDN and RRDN share."""

    C: int
    D: int
    G: int
    G0: int
    x: int
    c_dim: int = 3
    kernel_size: int = 3

    def __post_init__(self) -> None:
        names = (*self.symbols, "c_dim", "kernel_size")
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInputError(
                    f"{name} must be a whole number of at least 1. Received: {name}={value!r}."
                )
        if self.kernel_size % 2 == 0:
            raise InvalidInputError(
                "kernel_size must be odd, so that output pixels lie on input pixels. "
                f"Received: kernel_size={self.kernel_size}."
            )

    symbols: ClassVar[tuple[str, ...]] = ("C", "D", "G", "G0", "x")

    @property
    def arch_params(self) -> dict[str, int]:
        """The papers' symbols with their values, as ISR's ``arch_params``."""
        return {name: getattr(self, name) for name in self.symbols}

    def convs(self) -> Iterator[Conv]:
        """Yield the convolutions from input to output, in the order they run."""
        raise NotImplementedError

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(c.kernel**2 * c.inputs * c.filters + c.filters for c in self.convs())

    @property
    def operations_per_pixel(self) -> int:
        """Multiplications and additions per *input* pixel (two per multiply-accumulate)."""
        return sum(2 * c.kernel**2 * c.inputs * c.filters * c.at_scale**2 for c in self.convs())

    @property
    def receptive_radius(self) -> int:
        """How far, in input pixels, a pixel can possibly influence the result."""
        at_input = sum(c.kernel // 2 for c in self.convs() if c.at_scale == 1)
        at_output = sum(c.kernel // 2 for c in self.convs() if c.at_scale > 1)
        return at_input + -(-at_output // self.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class RDNConfig(_NetworkConfig):
    """Settings of a residual dense network.

    Attributes
    ----------
    C, D, G, G0, x : int
        The paper's symbols, see the table at the top of this module.
    c_dim : int
        Number of image channels.
    kernel_size : int
        Kernel width of the trunk's convolutions; odd.
    upscaling : {"ups", "shuffle"}
        How the last features become a larger image: nearest-neighbour repetition, as ISR's
        published weights, or pixel shuffle, as the paper.
    """

    upscaling: Upscaling = "ups"

    network: ClassVar[str] = "rdn"

    def __post_init__(self) -> None:
        super(RDNConfig, self).__post_init__()
        if self.upscaling not in ("ups", "shuffle"):
            raise InvalidInputError(
                "upscaling must be 'ups' (repetition) or 'shuffle' (pixel shuffle). "
                f"Received: upscaling={self.upscaling!r}."
            )

    def convs(self) -> Iterator[Conv]:
        """Yield the convolutions from input to output, in the order they run."""
        k = self.kernel_size
        yield Conv("F_m1", k, self.c_dim, self.G0)
        yield Conv("F_0", k, self.G0, self.G0)
        for d in range(1, self.D + 1):
            for c in range(1, self.C + 1):
                yield Conv(f"F_{d}_{c}", k, self.G0 + (c - 1) * self.G, self.G)
            yield Conv(f"LFF_{d}", 1, self.G0 + self.C * self.G, self.G0)
        yield Conv("GFF_1", 1, self.D * self.G0, self.G0)
        yield Conv("GFF_2", k, self.G0, self.G0)
        yield Conv("UPN1", 5, self.G0, 64)
        yield Conv("UPN2", 3, 64, 32)
        phases = self.c_dim * self.x**2
        yield Conv("UPN3", 3, 32, phases)
        yield Conv(
            "SR", k, self.c_dim if self.upscaling == "shuffle" else phases, self.c_dim, self.x
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDNConfig(_NetworkConfig):
    """Settings of a residual-in-residual dense network.

    Attributes
    ----------
    C, D, G, G0, T, x : int
        The papers' symbols, see the table at the top of this module.
    c_dim : int
        Number of image channels.
    kernel_size : int
        Kernel width of the dense convolutions; odd.
    beta : float
        Factor of the residuals before they are added, in (0, 1].
    """

    T: int
    beta: float = 0.2

    network: ClassVar[str] = "rrdn"
    symbols: ClassVar[tuple[str, ...]] = ("C", "D", "G", "G0", "T", "x")

    def __post_init__(self) -> None:
        super(RRDNConfig, self).__post_init__()
        # From files and users: the annotation is a wish.
        beta: object = self.beta
        if not isinstance(beta, int | float) or not 0 < beta <= 1:
            raise InvalidInputError(
                f"beta must be a number above 0 and at most 1. Received: beta={beta!r}."
            )

    def convs(self) -> Iterator[Conv]:
        """Yield the convolutions from input to output, in the order they run."""
        k = self.kernel_size
        yield Conv("Pre_blocks_conv", k, self.c_dim, self.G0)
        for t in range(1, self.T + 1):
            for d in range(1, self.D + 1):
                for c in range(1, self.C + 1):
                    yield Conv(f"F_{t}_{d}_{c}", k, self.G0 + (c - 1) * self.G, self.G)
                yield Conv(f"LFF_{t}_{d}", 3, self.G0 + self.C * self.G, self.G0)
        yield Conv("post_blocks_conv", 3, self.G0, self.G0)
        yield Conv("PreShuffle", 3, self.G0, self.c_dim * self.x**2)
        yield Conv("SR", k, self.c_dim, self.c_dim, self.x)


NetworkConfig = RDNConfig | RRDNConfig
NETWORK_CONFIGS: Mapping[str, type[NetworkConfig]] = {"rdn": RDNConfig, "rrdn": RRDNConfig}


def config_from_arch_params(
    network: str, arch_params: Mapping[str, int], **settings: Any
) -> NetworkConfig:
    """Make a checked configuration from ISR's ``arch_params``.

    Parameters
    ----------
    network : {"rdn", "rrdn"}
        Which network.
    arch_params : mapping
        The papers' symbols with their values; exactly those the network has.
    **settings
        The other fields of the configuration.

    Raises
    ------
    InvalidInputError
        If a symbol is missing or unknown, or a value is out of range.
    """
    kind = NETWORK_CONFIGS[network]
    missing = [s for s in kind.symbols if s not in arch_params]
    unknown = [s for s in arch_params if s not in kind.symbols]
    if missing or unknown:
        raise InvalidInputError(
            f"arch_params of {network.upper()} must have exactly the keys {list(kind.symbols)}. "
            f"Received: {dict(arch_params)!r} (missing: {missing}, unknown: {unknown})."
        )
    fields: dict[str, Any] = {**arch_params, **settings}
    return kind(**fields)


def config_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Return a configuration as plain numbers and words, for a file."""
    return {"network": config.network, **asdict(config)}


def config_from_dict(record: Mapping[str, Any]) -> NetworkConfig:
    """Read a configuration back from what `config_to_dict` gave.

    Raises
    ------
    InvalidInputError
        If the network or a field is unknown, missing or out of range.
    """
    fields = dict(record)
    network = fields.pop("network", None)
    if not isinstance(network, str) or network not in NETWORK_CONFIGS:
        raise InvalidInputError(
            f"network must be one of {sorted(NETWORK_CONFIGS)}. Received: network={network!r}."
        )
    try:
        return NETWORK_CONFIGS[network](**fields)
    except TypeError as error:
        raise InvalidInputError(
            f"the fields do not fit a network of kind {network!r}. Received: {fields!r} ({error})."
        ) from error
