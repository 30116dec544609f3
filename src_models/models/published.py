"""The networks that ISR published: what they are, and where their files are. Free of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from src_models.models.config import NetworkConfig, RDNConfig, RRDNConfig
from src_models.models.description import ModelDescription

_BUCKET = "https://public-asai-dl-models.s3.eu-central-1.amazonaws.com/ISR/"
_GITHUB = (
    "https://media.githubusercontent.com/media/idealo/image-super-resolution/master/"
    "weights/sample_weights/"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model whose file can be downloaded.

    Attributes
    ----------
    description : ModelDescription
        What the file holds; its name is the model's.
    filename : str
        The file's name, in the cache too.
    urls : tuple of str
        Where from, in the order they are tried.
    sha256 : str
        Of the file, in hexadecimal.
    size : int
        Of the file, in bytes.
    """

    description: ModelDescription
    filename: str
    urls: tuple[str, ...]
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.description.name

    @property
    def megabytes(self) -> str:
        """Size of the file, in words."""
        return f"{self.size / 1e6:.0f} MB"


def _isr(
    name: str,
    config: NetworkConfig,
    paths: tuple[str, str],
    sha256: str,
    size: int,
    overlap: int,
    summary: str,
) -> Published:
    in_bucket, at_github = paths
    return Published(
        description=ModelDescription(
            name=name,
            config=config,
            intensity="8-bit",
            border="bare",
            overlap=overlap,
            summary=summary,
            training={
                "by": "ISR, https://github.com/idealo/image-super-resolution",
                "license": "Apache-2.0",
                "trained_on": "photos (DIV2K)",
                "sha256": sha256,
            },
        ),
        filename=in_bucket.rsplit("/", 1)[-1],
        urls=(_BUCKET + in_bucket, _GITHUB + at_github),
        sha256=sha256,
        size=size,
    )


_SMALL = "rdn-C3-D10-G64-G064-x2/PSNR-driven/rdn-C3-D10-G64-G064-x2_PSNR_epoch134.hdf5"
_LARGE = "rdn-C6-D20-G64-G064-x2/PSNR-driven/rdn-C6-D20-G64-G064-x2_PSNR_epoch086.hdf5"
_CANCEL = (
    "rdn-C6-D20-G64-G064-x2/ArtefactCancelling/"
    "rdn-C6-D20-G64-G064-x2_ArtefactCancelling_epoch219.hdf5"
)
_GANS = "rrdn-C4-D3-G32-G032-T10-x4_epoch299.hdf5"
_LARGE_RDN = RDNConfig(C=6, D=20, G=64, G0=64, x=2)

# The overlaps of psnr-small and gans are what benchmarks/measure_overlap.py finds on photos and
# noise, rounded up. The other two files were not at hand; theirs is generous.
PUBLISHED: dict[str, Published] = {
    model.name: model
    for model in (
        _isr(
            "psnr-small",
            RDNConfig(C=3, D=10, G=64, G0=64, x=2),
            (_SMALL, _SMALL),
            "b76993189e63fb34dd46d1d40b40498fdb1e298c04185575a1c634e11c86cffd",
            10_694_096,
            overlap=12,
            summary="ISR's small network for photos: faithful. Not for microscopy.",
        ),
        _isr(
            "psnr-large",
            _LARGE_RDN,
            (_LARGE, _LARGE),
            "1816f1d37bbdbc724e5ab3429b402d00f78194a1b08628a1e44df6a3fcb5161b",
            66_071_288,
            overlap=32,
            summary="ISR's large network for photos: faithful, slow. Not for microscopy.",
        ),
        _isr(
            "noise-cancel",
            _LARGE_RDN,
            (_CANCEL, _CANCEL),
            "a361e56e2efd1096dbd149aa5e053db61c6f4815140c4686c6a1b0b94b6b137a",
            66_071_288,
            overlap=32,
            summary="ISR's network for photos with JPEG damage: removes it and invents detail, "
            "slow. Not for microscopy.",
        ),
        _isr(
            "gans",
            RRDNConfig(C=4, D=3, G=32, G0=32, T=10, x=4),
            (
                f"rrdn-C4-D3-G32-G032-T10-x4-GANS/{_GANS}",
                f"rrdn-C4-D3-G32-G032-T10-x4/Perceptual/{_GANS}",
            ),
            "104dfd5363470092edf9ec9a971510951462f574edfa6e83dd374d0983d34026",
            17_462_488,
            overlap=24,
            summary="ISR's adversarially trained network for photos: crisp, invents detail. "
            "Not for microscopy.",
        ),
    )
}


_FOLDER = Path(__file__).parents[1] / "weights"

BUNDLED: Mapping[str, Path] = MappingProxyType(
    {path.stem: path for path in sorted(_FOLDER.glob("*.keras"))}
)
DEFAULT_MODEL = "microscopy-x2"
