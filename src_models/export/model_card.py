"""A model's description and training record as a page for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from src_models.models.description import ModelDescription


def card_in_markdown(
    description: ModelDescription, authors: Sequence[str] = (), license_id: str | None = None
) -> str:
    """Write the card of a model.

    Parameters
    ----------
    description : ModelDescription
        The model.
    authors : sequence of str
        Who made it.
    license_id : str, optional
        Its licence.

    Returns
    -------
    str
        Markdown, with the sections that the BioImage Model Zoo asks for.
    """
    parts = [
        f"# {description.name}",
        description.summary or "A network for image super-resolution.",
        "Made with napari-isr, the super-resolution plugin of napari.",
        _network(description),
        _use(description),
        "## Training",
        _training(description.training) or "The file of the model says nothing of it.",
        "## Validation",
        _validation(description.training),
        "To judge it on images of your own, bin sharp images to a lower resolution, upscale them "
        "and compare: PSNR and SSIM against bicubic interpolation tell what is won. Look at the "
        "differences, too: what a network adds is a guess, and never a measurement.",
        "## Authors and licence",
        f"Authors: {', '.join(authors) or 'not named'}. Licence: {license_id or 'not named'}.",
    ]
    return "\n\n".join(parts) + "\n"


def _network(description: ModelDescription) -> str:
    config = description.config
    channels = "1 channel" if description.channels == 1 else f"{description.channels} channels"
    symbols = " ".join(f"{symbol}={value}" for symbol, value in config.arch_params.items())
    return (
        f"Network: {config.network.upper()} ({symbols}), {channels}, "
        f"{description.scale} times larger along y and x; {config.num_parameters:,} weights, "
        f"{config.operations_per_pixel / 1e6:,.2f} million operations per input pixel."
    )


def _use(description: ModelDescription) -> str:
    scaling = (
        "Intensities are scaled so that the percentiles 0.1 and 99.9 of the image become 0 and 1, "
        "and stay scaled in the result: multiply by their difference and add the lower one to have "
        "the intensities of the input. napari-isr does this by itself, and measures the range a "
        "little more carefully: small bright structures on an empty background count there."
        if description.intensity == "measured"
        else "Intensities from 0 to 255 are divided by 255 for the network, and the result is "
        "multiplied by 255 and limited to that range; it is not rounded."
    )
    border = (
        "Past the border of the image the network sees the image's reflection, which is part of "
        "the file."
        if description.reflects
        else "Past the border of the image the network sees zeros, as it was trained."
    )
    return f"## Use\n\n{scaling}\n\n{border} The file takes images of any size and any batch."


def _training(record: Mapping[str, Any]) -> str:
    words = {
        "by": "By",
        "trained_on": "Trained on",
        "epochs": "Epochs",
        "backend": "Backend",
        "machine": "Machine",
    }
    told = [f"- {word}: {record[key]}" for key, word in words.items() if record.get(key)]
    if isinstance(record.get("seconds"), int | float):
        told.append(f"- Duration: {record['seconds'] / 60:.0f} minutes")
    return "\n".join(told)


def _validation(record: Mapping[str, Any]) -> str:
    """Sum up the scores on images held out, if the record has them."""
    scores = record.get("scores")
    rows = [row for row in scores if _is_score(row)] if isinstance(scores, list) else []
    if not rows:
        return "The training record holds no scores."
    psnr, ssim = (
        {kind: fmean(row[kind][name] for row in rows) for kind in ("model", "bicubic")}
        for name in ("PSNR", "SSIM")
    )
    worst = min(row["model"]["PSNR"] - row["bicubic"]["PSNR"] for row in rows)
    return (
        f"On {len(rows)} images that were held out of the training, the mean PSNR is "
        f"{psnr['model']:.2f} dB, that of bicubic interpolation {psnr['bicubic']:.2f} dB; the mean "
        f"SSIM {ssim['model']:.3f}, that of bicubic interpolation {ssim['bicubic']:.3f}. The image "
        f"with the least gain changes by {worst:+.2f} dB."
    )


def _is_score(row: Any) -> bool:
    try:
        values = [row[kind][name] for kind in ("model", "bicubic") for name in ("PSNR", "SSIM")]
        return all(math.isfinite(value) for value in values)
    except (KeyError, TypeError):
        return False
