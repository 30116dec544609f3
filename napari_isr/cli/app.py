"""The command ``napari-isr``: what it takes, and its exit codes.

Nothing heavy is imported here, so that ``--help`` answers at once; each command imports what it
needs when it runs. No command opens a window.

Exit codes: 0 all done; 1 something that was asked for failed; 2 wrong use, nothing was done; 3 the
disk is full; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_isr.cli.output import DISK_FULL, FAILED, INTERRUPTED, WRONG_USE, say

app = typer.Typer(
    name="napari-isr",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Sharper images: enlarge microscopy images and photos with trained networks.

    Begin with:  napari-isr upscale cells.tif -o results

    Exit codes: 0 all done, 1 some of it failed, 2 wrong use, 3 disk full, 130 interrupted.
    """,
)
models_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List the models; show, download, import or remove one.",
)
app.add_typer(models_app, name="models")


class Target(StrEnum):
    """What `--to` takes."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    BIOIMAGEIO = "bioimageio"


class Format(StrEnum):
    """What `--format` takes."""

    AUTO = "auto"
    OME_TIFF = "ome-tiff"
    IMAGEJ = "imagej"
    PNG = "png"
    OME_ZARR = "ome-zarr"


Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@app.command()
def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="Image files, OME-Zarr folders, or folders of images.",
            readable=False,  # one that may not be read stops none of the others
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for the results; or a file name, for one."),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A name from 'napari-isr models list', or a file."),
    ] = "microscopy-x2",
    engine: Annotated[
        str, typer.Option(help="What runs the network: auto, keras, openvino or onnxruntime.")
    ] = "auto",
    axes: Annotated[
        str | None,
        typer.Option(help="Meaning of the dimensions, such as ZYX, if the files say it wrongly."),
    ] = None,
    tile_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels that are worked on at a time; smaller needs less memory."),
    ] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble", help="Average over flips and turns: better, in 8 times the time."
        ),
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty", help="Write beside each result how far the 8 answers are apart."
        ),
    ] = False,
    keep_intensities: Annotated[
        bool,
        typer.Option("--keep-intensities", help="Keep the sums of intensities over regions."),
    ] = False,
    file_format: Annotated[
        Format, typer.Option("--format", "-f", help="Of the results; auto follows the input.")
    ] = Format.AUTO,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are there already.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave results that are there already.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also the folders inside the folders.")
    ] = False,
    pattern: Annotated[
        str, typer.Option(help="Which files of the folders, such as '*.tif'.")
    ] = "*",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Files worked on at the same time.")
    ] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write a table of all files as CSV.", dir_okay=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be done, and how long.")
    ] = False,
    json: Json = False,
) -> None:
    """Enlarge images; pixel sizes, channels and stacks go through.

    The inputs are never changed, and nothing is overwritten unless you say so. Interrupted in
    whatever way, the same command goes on where it stopped.

    For example:

      napari-isr upscale cells.tif -o results

      napari-isr upscale my_folder -o results --recursive --dry-run

      napari-isr upscale *.png -o results --model psnr-small
    """
    from napari_isr.cli.upscale import Request, run

    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other: give one.")
    existing = "overwrite" if overwrite else "skip" if skip_existing else "refuse"
    request = Request(
        inputs=tuple(inputs),
        output=output,
        model=model,
        engine=engine,
        axes=axes,
        tile_size=tile_size,
        self_ensemble=self_ensemble,
        uncertainty=uncertainty,
        keep_intensities=keep_intensities,
        file_format=file_format.value,
        existing=existing,
        recursive=recursive,
        pattern=pattern,
        jobs=jobs,
        report=report,
        as_json=json,
    )
    raise typer.Exit(run(request, dry_run=dry_run))


@app.command()
def train(
    settings: Annotated[
        Path,
        typer.Argument(
            metavar="SETTINGS.toml", help="A settings file; docs/command-line.md shows one."
        ),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training that the file began.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a model on your own images, as a settings file says.

    Ctrl-C stops well: the epoch is judged and saved. --resume goes on from the last epoch, also
    after a crash.
    """
    from napari_isr.cli.train import run

    raise typer.Exit(run(settings, resume=resume, as_json=json))


@app.command()
def info(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Image or model files.", readable=False)
    ],
    json: Json = False,
) -> None:
    """Say what an image or model file holds: size, axes, pixel size, channels."""
    from napari_isr.cli.info import show_files

    raise typer.Exit(show_files(files, as_json=json))


@app.command()
def compare(
    truth: Annotated[Path, typer.Argument(help="The image to compare with.")],
    image: Annotated[Path, typer.Argument(help="The image to judge.")],
    json: Json = False,
) -> None:
    """Say how close one image is to another of the same size: PSNR, SSIM and errors."""
    from napari_isr.cli.info import show_comparison

    show_comparison(truth, image, as_json=json)


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(help="A name from 'napari-isr models list', or a model file.")
    ],
    to: Annotated[
        Target,
        typer.Option(help="An ONNX or OpenVINO file, or a package of the BioImage Model Zoo."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or folder; the model's name if left out."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
    author: Annotated[
        list[str] | None,
        typer.Option(help="Who made the model, for the package; give it once for each."),
    ] = None,
    license_id: Annotated[
        str | None,
        typer.Option("--license", help="Of the model, for the package, such as CC-BY-4.0."),
    ] = None,
) -> None:
    """Write a model into a file that other programs run; nothing of napari-isr is needed there.

    For example:

      napari-isr export microscopy-x2 --to onnx

      napari-isr export mine --to bioimageio -o mine.zip --author "Ada Lovelace" --license MIT
    """
    from napari_isr.cli.models import export_to

    export_to(model, to.value, output, overwrite, author or [], license_id)


@models_app.command("list")
def list_models(json: Json = False) -> None:
    """List all models: those that come along, your own, and those to download."""
    from napari_isr.cli.models import show_list

    show_list(as_json=json)


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A name from the list, or a model file.")],
    json: Json = False,
) -> None:
    """Show what a model is for, how large it is, and how it was trained."""
    from napari_isr.cli.models import show_details

    show_details(name, as_json=json)


@models_app.command("download")
def download_model(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
) -> None:
    """Download a model now, so that it is there when no network is."""
    from napari_isr.cli.models import download

    download(name)


@models_app.command("import")
def import_model(
    file: Annotated[
        Path,
        typer.Argument(help="A model file (.keras) that napari-isr saved, or an ONNX file."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name for the list; the model's own if left out.")
    ] = None,
) -> None:
    """Add a model file to your own models; the widgets offer it, too.

    An ONNX file may hold any network that makes one image larger by a whole number. It is tried on
    small images to find out what it takes.
    """
    from napari_isr.cli.models import add

    add(file, name)


@models_app.command("remove")
def remove_model(
    name: Annotated[str, typer.Argument(help="One of your own models, or a downloaded one.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete one of your own models, or the file of a downloaded one."""
    from napari_isr.cli.models import remove

    remove(name, ask=not yes)


def main() -> None:
    """Run the command; errors are sentences, never tracebacks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except KeyboardInterrupt:
        say("Interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        from src_models.errors import DiskFullError, InvalidInputError, SuperResolutionError

        if not isinstance(error, SuperResolutionError):
            raise
        say(f"Error: {error}")
        if isinstance(error, DiskFullError):
            sys.exit(DISK_FULL)
        sys.exit(WRONG_USE if isinstance(error, InvalidInputError) else FAILED)


if __name__ == "__main__":
    main()
