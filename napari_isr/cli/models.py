"""``napari-isr models``: list, details, download, import, remove; and ``export``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from napari_isr.cli.output import say
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.description import read_description
from src_models.models.download import cache_folder, fetch, find_cached
from src_models.models.onnx_files import describe_onnx
from src_models.models.onnx_graph import is_onnx
from src_models.models.published import PUBLISHED
from src_models.models.registry import BUNDLED, describe_model, is_available_offline, model_names
from src_models.models.user_models import add_user_model, user_models

if TYPE_CHECKING:
    from src_models.export.export_model import Target

# Of a training record: what people ask for. The rest has thousands of numbers.
_TOLD = ("by", "license", "trained_on", "epochs", "seconds", "backend", "machine")
_TOLD_OF_ONNX = ("layout", "data_range", "multiple", "fixed_height", "fixed_width")


def _place(name: str) -> str:
    if name in BUNDLED:
        return "comes along"
    if name in PUBLISHED:
        return "downloaded" if is_available_offline(name) else "to download"
    return "your own"


def _described(name: str) -> dict[str, Any]:
    description = describe_model(name)
    return {
        "name": name,
        "scale": description.scale,
        "channels": description.channels,
        "weights": description.config.num_parameters,
        "where": _place(name),
        "summary": description.summary,
    }


def show_list(*, as_json: bool) -> None:
    """Write a line for every model."""
    records = []
    for name in model_names():
        try:
            records.append(_described(name))
        except ModelFileError as error:  # a broken file among the user's own
            records.append({"name": name, "where": _place(name), "summary": str(error)})
    if as_json:
        typer.echo(json.dumps(records, indent=1))
        return
    width = max(len(record["name"]) for record in records)
    for record in records:
        scale = f"x{record['scale']}" if "scale" in record else "?"
        kind = {1: "grey", 3: "RGB"}.get(record.get("channels", 0), "other")
        head = f"{record['name']:<{width}}  {scale:<3} {kind:<5}  {record['where']:<11}"
        typer.echo(f"{head}  {record['summary']}")


def show_details(name: str, *, as_json: bool) -> None:
    """Write all there is to know of a model."""
    description = describe_model(name)
    told = {k: v for k, v in description.training.items() if k in _TOLD}
    if as_json:
        record = _described(name) | {"network": asdict(description.config), "training": told}
        typer.echo(json.dumps(record, indent=1))
        return
    typer.echo(f"{description.name}: {description.in_words}")
    config = description.config
    facts = {k: v for k, v in asdict(config).items() if k in _TOLD_OF_ONNX and v}
    told_of = config.arch_params or facts
    typer.echo(f"Network: {config.network.upper()} {told_of}")
    if name in model_names():
        typer.echo(f"Where: {_place(name)}")
    for key, value in told.items():
        typer.echo(f"{key.replace('_', ' ').capitalize()}: {value}")


def download(name: str) -> None:
    """Fetch the file of a published model."""
    if name not in PUBLISHED:
        if name in model_names():
            typer.echo(f"{name} is here already.")
            return
        raise InvalidInputError(
            f"These models can be downloaded: {', '.join(PUBLISHED)}. Received: {name!r}."
        )
    typer.echo(str(fetch(PUBLISHED[name])))


def add(file: Path, name: str | None) -> None:
    """Copy a model file into the folder of the user's models."""
    if name is None:
        name = (describe_onnx(file) if is_onnx(file) else read_description(file)).name
    if name in BUNDLED or name in PUBLISHED:
        raise InvalidInputError(
            f"The name {name!r} is taken by a model of napari-isr: give another one with --name."
        )
    typer.echo(str(add_user_model(file, name)))
    if is_onnx(file):
        say(f"{name}: {describe_model(name).in_words}")


def export_to(
    model: str,
    to: str,
    output: Path | None,
    overwrite: bool,
    authors: Sequence[str],
    license_id: str | None,
) -> None:
    """Write a model for other programs and tell the file."""
    from src_models.export.export_model import export_model

    target = cast("Target", to)  # the command line takes no other
    path = export_model(
        model, target, output, overwrite=overwrite, authors=authors, license_id=license_id
    )
    typer.echo(str(path))


def remove(name: str, *, ask: bool) -> None:
    """Delete a model of the user's, or a downloaded file."""
    path = user_models().get(name)
    if path is None and name in PUBLISHED:
        path = find_cached(PUBLISHED[name])
        if path is not None and not path.is_relative_to(cache_folder()):
            raise InvalidInputError(f"{str(path)!r} was not downloaded by napari-isr: delete it.")
    if name in BUNDLED or path is None:
        own = ", ".join(user_models()) or "none yet"
        why = ""
        if name in BUNDLED:
            why = ", which comes along with napari-isr and stays"
        elif name in PUBLISHED:
            why = ", which was not downloaded"
        raise InvalidInputError(
            f"Your own models ({own}) and downloaded ones can be removed. Received: {name!r}"
            f"{why}. See 'napari-isr models list'."
        )
    if ask and not typer.confirm(f"Delete {path}?"):
        raise typer.Exit(1)
    try:
        path.unlink()
    except OSError as error:
        raise ModelFileError(f"{str(path)!r} cannot be removed ({error.strerror}).") from error
    typer.echo(f"Removed {path}.")
