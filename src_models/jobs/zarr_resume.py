"""The unfinished work beside an OME-Zarr file: begun, found again, and given the file's name."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_models.errors import InvalidInputError
from src_models.images.axes import ImageStack
from src_models.images.intensity import IntensityRange
from src_models.images.ome_zarr import ZarrImage, create_pyramid, stored_axes
from src_models.jobs.journal import Journal
from src_models.upscaling.lazy import BlockPlan

_JOURNAL = "napari-isr.journal"


def resume(unfinished: Path, asked: dict[str, Any], overwrite: bool) -> Journal | None:
    """Return the journal of unfinished work that fits; None to begin."""
    if not os.path.lexists(unfinished):
        return None
    if (unfinished / _JOURNAL).is_file():
        try:
            journal = Journal(unfinished / _JOURNAL)
            journal.check(asked, unfinished)
        except InvalidInputError:
            if not overwrite:
                raise
        else:
            return journal
    else:
        raise InvalidInputError(
            "Unfinished work is kept beside the target. "
            f"Received: {str(unfinished)!r}, which is there and is none: move it."
        )
    shutil.rmtree(unfinished)  # our own, and not wanted any more
    return None


def begin(
    unfinished: Path,
    image: ZarrImage,
    stack: ImageStack,
    plan: BlockPlan,
    asked: dict[str, Any],
) -> Journal:
    """Lay out the file and begin its journal, with all that decides about the pixels."""
    scale = plan.description.scale
    axes = stored_axes(image.axes)
    lengths = dict(zip(image.axes, image.array.shape, strict=True))
    rows, columns = plan.grid.rows, plan.grid.columns
    sides = {"Y": (rows[1] - rows[0]) * scale, "X": (columns[1] - columns[0]) * scale}
    if stack.joint or stack.has_alpha:
        sides["C"] = lengths["C"]
    shape = tuple(lengths[axis] * (scale if axis in "YX" else 1) for axis in axes)
    chunks = tuple(sides.get(axis, 1) for axis in axes)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "asked": asked,
        "tile_size": plan.tile_size,
        "overlap": plan.overlap,
        "batch_size": plan.batch_size,
        "ranges": {str(c): [r.low, r.high] for c, r in plan.ranges.items()},
    }
    # It has its name together with its journal: what has none is not ours, and never removed.
    with tempfile.TemporaryDirectory(".begun", f".{unfinished.stem}.", unfinished.parent) as folder:
        begun = Path(folder) / unfinished.name
        create_pyramid(begun, replace(image, record={}), shape, chunks, scale)
        Journal.begin(begun / _JOURNAL, settings)
        os.replace(begun, unfinished)
    return Journal(unfinished / _JOURNAL)


def planned(plan: BlockPlan, stack: ImageStack, settings: dict[str, Any]) -> BlockPlan:
    """Return the plan that the work was begun with; the memory there is may be another now."""
    tile_size, overlap, batch = (settings[k] for k in ("tile_size", "overlap", "batch_size"))
    plan = BlockPlan.of(
        stack, plan.description, tile_size, overlap, batch, settings["asked"]["engine"]
    )
    ranges = {int(c): IntensityRange(*ends) for c, ends in settings["ranges"].items()}
    asked = settings["asked"]
    return replace(
        plan,
        ranges=ranges,
        self_ensemble=bool(asked.get("self_ensemble")),
        keep_intensities=bool(asked.get("keep_intensities")),
    )


def complete(unfinished: Path, target: Path) -> None:
    """Give the result its name; what had it before goes last."""
    for left in unfinished.rglob("*.partial"):  # zarr's, if it was killed while writing one
        left.unlink()
    if target.exists():
        kept = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
        os.replace(target, kept / target.name)
        try:
            os.replace(unfinished, target)
        except OSError:
            os.replace(kept / target.name, target)
            kept.rmdir()
            raise
        shutil.rmtree(kept, ignore_errors=True)
    else:
        os.replace(unfinished, target)
    (target / _JOURNAL).unlink()  # last: killed before, the work is still known to be complete
