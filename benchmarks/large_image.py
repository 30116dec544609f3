"""Upscale an OME-Zarr file that is killed half way: time, memory, and whether the bytes are equal.

    python benchmarks/large_image.py --size 8192 --folder /somewhere/with/room

Runs in processes of their own: the large image in one go, in turns with one of 1024 x 1024 pixels
for comparison, then once more with a kill -9 half way and a second start.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from turns import READY, TakingTurns, end_in_order

BEGIN = """
import itertools, resource, sys
import numpy as np
from src_models import upscale, upscale_to_zarr, upscale_to_zarr_steps
source, target, model = sys.argv[1:]
upscale(np.zeros((1024, 1024), np.uint16), model)  # loads and compiles the network
"""
ONCE = """
for step in upscale_to_zarr_steps(source, target, model, overwrite=True):
    print(step.done, step.total, flush=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"peak {peak:.2f} GiB")
"""
AGAIN = """
for number in itertools.count():
    upscale_to_zarr(source, target, model, overwrite=True)
    print(number, flush=True)
"""
WAIT = f"print({READY!r}, flush=True); sys.stdin.readline()"


def make_source(path: Path, size: int) -> None:
    """Write blobs and noise as an OME-Zarr image of one level, strip by strip."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    array = group.create_array(
        "0", shape=(size, size), chunks=(512, 512), dtype=np.uint16, dimension_names=["y", "x"]
    )
    rng = np.random.default_rng(0)
    x = np.sin(np.arange(size) / 9.0)
    for y in range(0, size, 512):
        strip = 2000 + 1500 * np.sin(np.arange(y, min(y + 512, size)) / 7.0)[:, None] * x
        array[y : y + 512] = (strip + rng.normal(0, 50, strip.shape)).astype(np.uint16)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    moves = [{"type": "scale", "scale": [0.1, 0.1]}]
    scales = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moves}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scales]}


def compare(folder: Path, size: int, model: str) -> None:
    """Upscale the large image, in turns with one of 1024 x 1024 pixels again and again."""
    images = {}
    for side, work in ((1024, AGAIN), (size, ONCE)):
        make_source(folder / f"{side}.zarr", side)
        script = "\n".join([BEGIN, WAIT, work])
        source, target = (str(folder / f"{side}{end}.zarr") for end in ("", "-x2"))
        images[side] = TakingTurns([sys.executable, "-c", script, source, target, model])
    try:
        for image in images.values():
            if output := image.wait_until_ready():
                raise SystemExit(output)
        while not images[size].has_ended:
            for image in images.values():
                image.take_turn()
            if images[1024].has_ended:
                raise SystemExit("The small image ended, so there is nothing to compare with.")
    finally:
        for image in images.values():
            image.end()
    whole, small = images[size].said[-1], images[1024].said
    if not whole[1].startswith("peak"):
        raise SystemExit(f"The large image was not finished, but ended after {whole[1]!r} blocks.")
    large = whole[0] / (size / 1000) ** 2
    each = small[-1][0] / len(small) / 1.024**2
    print(
        f"{size}: {whole[0]:.1f} s, {large:.2f} s per megapixel, {whole[1]}; 1024, {len(small)} "
        f"times: {each:.2f} s per megapixel; {large / each:.2f} times as much for the large one",
        flush=True,
    )


def upscale(source: Path, target: Path, model: str, kill_at: float = 2.0) -> str:
    """Run one process; kill it once that share of the blocks is done. Return what it said last."""
    command = [sys.executable, "-c", BEGIN + ONCE, str(source), str(target), model]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    for said in process.stdout:
        done, total = said.split()[:2]
        if done.isdigit() and int(total) > 1 and int(done) >= kill_at * int(total):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    return said.strip()


def same(a: Path, b: Path) -> bool:
    """Compare two folders file by file, byte by byte."""
    files = [
        sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) for root in (a, b)
    ]
    return files[0] == files[1] and not any(filecmp.cmpfiles(a, b, files[0], shallow=False)[1:])


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8192, help="2048 or more")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", default="microscopy-x2")
    parser.add_argument("--once", action="store_true", help="leave the killed run out")
    options = parser.parse_args()
    end_in_order()
    if options.size < 2048:
        parser.error(f"A large image has 2048 x 2048 pixels or more. Received: {options.size}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options.folder.mkdir(parents=True, exist_ok=True)
    compare(options.folder, options.size, options.model)
    if not options.once:
        source, target = (options.folder / f"{n}.zarr" for n in (options.size, "killed"))
        print("killed at", upscale(source, target, options.model, kill_at=0.5), flush=True)
        print("went on, per whole:", upscale(source, target, options.model))
        print("equal:", same(target, options.folder / f"{options.size}-x2.zarr"))


if __name__ == "__main__":
    main()
