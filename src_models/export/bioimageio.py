"""Packages of the BioImage Model Zoo: a network with all that other tools need to run it.

References
----------
.. [1] Ouyang et al., "BioImage Model Zoo: A Community-Driven Resource for Accessible Deep Learning
   in BioImage Analysis", bioRxiv 2022, https://doi.org/10.1101/2022.06.07.495102
"""

from __future__ import annotations

import gc
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src_models.engines.onnx_engine import OPSET
from src_models.errors import InvalidInputError
from src_models.export.examples import PERCENTILES, write_examples
from src_models.export.model_card import card_in_markdown
from src_models.export.portable import as_onnx, border_of
from src_models.files import reason_of
from src_models.models.description import ModelDescription
from src_models.models.weights import Weights

_PAPERS = {
    "rdn": (
        'Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018',
        "https://arxiv.org/abs/1802.08797",
    ),
    "rrdn": (
        'Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", '
        "ECCV Workshops 2018",
        "https://arxiv.org/abs/1809.00219",
    ),
}
_OURS = "The napari-isr maintainers", "BSD-3-Clause"


@dataclass(frozen=True)
class Card:
    """What a model card says of people and rights.

    Attributes
    ----------
    authors : tuple of str
        Who made the model.
    license_id : str or None
        SPDX identifier of its licence.
    """

    authors: tuple[str, ...]
    license_id: str | None

    @classmethod
    def of(
        cls,
        description: ModelDescription,
        is_ours: bool,
        authors: Sequence[str] = (),
        license_id: str | None = None,
    ) -> Card:
        """Take what is given, else what the training record says, else our names for our models."""
        record = description.training
        told = (str(record["by"]),) if record.get("by") else ()
        own = ((_OURS[0],), _OURS[1]) if is_ours else ((), None)
        licence = license_id or record.get("license") or own[1]
        names = tuple(authors) or told or own[0]
        return cls(tuple(_as_name(name) for name in names), str(licence) if licence else None)


def write_package(
    description: ModelDescription,
    weights: Weights,
    card: Card,
    path: Path,
    model_file: Path | None = None,
) -> None:
    """Write a package and have the zoo's own software test it.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        Its weights.
    card : Card
        Authors and licence.
    path : Path
        The zip file.
    model_file : Path, optional
        Our file of the model, to be attached.

    Raises
    ------
    InvalidInputError
        If the package fails the zoo's test, which also says so of a licence that it does not know.
    """
    network = as_onnx(description, weights)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".package-") as name:
        folder = Path(name)
        (folder / "network.onnx").write_bytes(network)
        write_examples(description, network, folder)
        text = card_in_markdown(description, card.authors, card.license_id)
        (folder / "README.md").write_text(text, encoding="utf-8")
        attached: list[Path] = []
        if model_file is not None:
            attached.append(Path(shutil.copy(model_file, folder / model_file.name)))
        try:
            complaint = _pack_and_test(description, card, folder, attached, path)
        except ValueError as error:  # pydantic's, of a field that does not fit
            raise _as_ours(error, card) from error
        finally:
            _close_files()
    if complaint:
        raise InvalidInputError(
            f"The package fails the test of the BioImage Model Zoo ({complaint}): choose another "
            "model."
        )


def _pack_and_test(
    description: ModelDescription, card: Card, folder: Path, attached: Sequence[Path], path: Path
) -> str:
    """Make one file of a folder; return what the zoo's test says against it."""
    from bioimageio.core import test_model
    from bioimageio.spec import save_bioimageio_package
    from loguru import logger

    logger.disable("bioimageio")  # its log goes to standard error; we tell of what matters
    try:
        model = _describe(description, card, folder, attached)
        save_bioimageio_package(model, output_path=path)
        summary = test_model(path)
    finally:
        logger.enable("bioimageio")
    if summary.status == "passed":
        return ""
    told = [entry.msg for detail in summary.details for entry in detail.errors]
    return told[0] if told else str(summary.status)


def _close_files() -> None:
    """Close what the zoo's software leaves open: Windows renames no open file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _describe(
    description: ModelDescription, card: Card, folder: Path, attached: Sequence[Path]
) -> Any:
    """Return the zoo's description of a model whose files lie in a folder."""
    from bioimageio.spec.generic.v0_3 import Author, CiteEntry, HttpUrl
    from bioimageio.spec.model import v0_5

    config = description.config
    paper, url = _PAPERS[config.network]
    trained = description.training.get("epochs")
    return v0_5.ModelDescr.model_validate(
        {
            "type": "model",
            "format_version": v0_5.ModelDescr.implemented_format_version,
            "name": _as_title(description.name),
            "description": (description.summary or description.in_words)[:512],
            "authors": [Author(name=name) for name in card.authors],
            "license": card.license_id,
            "cite": [CiteEntry(text=paper, url=HttpUrl(url))],
            "tags": _tags(description),
            "covers": [{"source": folder / "cover.png"}],
            "documentation": {"source": folder / "README.md"},
            "attachments": [{"source": file} for file in attached],
            "inputs": [_input(description, folder)],
            "outputs": [_output(description, folder)],
            "weights": {"onnx": {"source": folder / "network.onnx", "opset_version": OPSET}},
            "config": {
                "bioimageio": {
                    "architecture_type": config.network.upper(),
                    "model_parameter_count": config.num_parameters,
                    "task": "image super-resolution",
                    "training": {"training_epochs": trained} if trained else {},
                },
                "napari_isr": {"scale": description.scale, "intensity": description.intensity},
            },
        },
        context=None,
    )


def _axes(description: ModelDescription) -> list[dict[str, Any]]:
    usual = {1: ["intensity"], 3: ["red", "green", "blue"]}
    several = [f"channel{number}" for number in range(description.channels)]
    names = usual.get(description.channels, several)
    return [{"type": "batch"}, {"type": "channel", "channel_names": names}]


def _input(description: ModelDescription, folder: Path) -> dict[str, Any]:
    # Tools that work tile by tile cut the halo off, so that there must be more.
    size = {"min": 2 * border_of(description) + 1, "step": 1}
    # Pixels of a result are the unit of length: whole numbers, so that no size is rounded.
    space = {"type": "space", "size": size, "scale": description.scale, "concatenable": True}
    axes = [axis for axis in ("channel", "y", "x") if axis != "channel" or description.channels > 1]
    low, high = PERCENTILES
    if description.intensity == "measured":
        told = "Image of any intensities."
        percentiles = {"min_percentile": low, "max_percentile": high}
        step = {"id": "scale_range", "kwargs": {"axes": axes, **percentiles}}
    else:
        told = "Image of intensities from 0 to 255."
        step = {"id": "scale_linear", "kwargs": {"gain": 1 / 255}}
    return {
        "id": "image",
        "description": told,
        "axes": [*_axes(description), {"id": "y", **space}, {"id": "x", **space}],
        "test_tensor": {"source": folder / "test_input.npy"},
        "sample_tensor": {"source": folder / "sample_input.tif"},
        "data": {"type": "float32", "range": _range(description)},
        "pad": {"mode": "reflect"} if description.reflects else None,
        "preprocessing": [step],
    }


def _output(description: ModelDescription, folder: Path) -> dict[str, Any]:
    space = [
        {
            "type": "space",
            "id": axis,
            "size": {"tensor_id": "image", "axis_id": axis},
            "scale": 1,
            **({"halo": halo} if (halo := border_of(description) * description.scale) else {}),
        }
        for axis in "yx"
    ]
    steps: list[dict[str, Any]] = []
    told = "Image with the low and high percentile of the input at 0 and 1."
    if description.intensity == "8-bit":
        told = "Image of intensities from 0 to 255, not rounded."
        steps = [
            {"id": "scale_linear", "kwargs": {"gain": 255}},
            {"id": "clip", "kwargs": {"min": 0, "max": 255}},
        ]
    return {
        "id": "answer",
        "description": told,
        "axes": [*_axes(description), *space],
        "test_tensor": {"source": folder / "test_output.npy"},
        "sample_tensor": {"source": folder / "sample_output.tif"},
        "data": {"type": "float32", "range": _range(description)},
        "postprocessing": steps,
    }


def _range(description: ModelDescription) -> tuple[float | None, float | None]:
    return (0, 255) if description.intensity == "8-bit" else (None, None)


def _tags(description: ModelDescription) -> list[str]:
    always = ["super-resolution", "image-restoration", "2d", "napari", "napari-isr"]
    return [*always, description.config.network]


def _as_title(name: str) -> str:
    """Return a name of the letters and the length that the zoo takes."""
    plain = re.sub(r"[^A-Za-z0-9_+\- ()]", "-", name).strip()[:50]
    return f"{plain} (napari-isr super-resolution)" if len(plain) < 32 else plain


def _as_name(author: str) -> str:
    """Return an author without what follows a comma, such as an address; slashes are refused."""
    return author.split(",")[0].replace("/", "-").replace("\\", "-").strip() or "unknown"


def _as_ours(error: ValueError, card: Card) -> InvalidInputError:
    found: Sequence[Mapping[str, Any]] = getattr(error, "errors", list)()
    place = ".".join(str(part) for part in found[0].get("loc", ())) if found else ""
    if place.startswith("license"):  # the zoo would list all there are
        return InvalidInputError(
            "The BioImage Model Zoo takes licences by their SPDX identifiers, such as CC-BY-4.0 or "
            f"MIT (see spdx.org/licenses). Received: {card.license_id!r}."
        )
    told = f"{place}: {found[0].get('msg')}" if found else reason_of(error)
    return InvalidInputError(
        f"The BioImage Model Zoo does not take the package: {told[:300]}. Change the model's name, "
        "authors or summary."
    )
