"""Measure how fast images are upscaled: every engine against ISR's way and plain torch.

``python benchmarks/upscaling.py`` prints one table from one run: seconds per megapixel of input,
the useful operations per second as a share of this machine's float32 matrix product, and the peak
memory, for each network, engine and image size. Operations spent on overlap and padding don't
count. Each line has a process of its own, and so have the matrix products. All of them run in
turns of a second, and are halted between, because what else a machine does changes from one second
to the next: so it meets all alike. Only a process's own turns count as its time.

- ``openvino``, ``onnxruntime``, ``keras``: `src_models.upscale` with its default settings.
- ``isr``: as ISR did it. The image in patches of 50 pixels with 2 pixels of padding on each side,
  batches of 10 patches, and Keras' ``predict`` for each batch.
- ``torch``: the same network in plain torch, the whole image at once; ``--torch-python`` names an
  interpreter that has torch, if this one has not.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import platform
import resource
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from turns import READY, TakingTurns, end_in_order

from src_models.engines.graph import walk
from src_models.engines.timing import processors_in_words
from src_models.models.config import NetworkConfig
from src_models.models.description import ModelDescription
from src_models.models.isr_config import shapes_of
from src_models.models.registry import describe_model

NETWORKS = {name: describe_model(name) for name in ("microscopy-x2", "psnr-small", "gans")}
ENGINES = ["openvino", "onnxruntime", "keras", "isr", "torch"]
PATCH, PADDING, BATCH = 50, 2, 10
MATRIX, PRODUCTS = 2048, 4
PRODUCT = 2 * MATRIX**3 * PRODUCTS  # operations
MATRIX_PRODUCT = "matrix product"
LEAST_S = 5.0
Image = NDArray[np.uint8]


def random_weights(config: NetworkConfig) -> dict[str, NDArray[np.float32]]:
    """Return weights that keep the features finite; the speed does not depend on them."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.02, s).astype("f4") for name, s in shapes_of(config).items()}


def by_library(description: ModelDescription, engine: str) -> Callable[[Image], object]:
    """Return `src_models.upscale` on an engine, in memory."""
    from src_models import open_engine, upscale
    from src_models.engines.onnx_engine import OnnxEngine
    from src_models.engines.openvino_engine import OpenVinoEngine

    opened: Any
    if engine == "keras":
        opened = open_engine(keras_network(description), "keras")
    else:  # without Keras, so that the memory is theirs alone
        kind = {"openvino": OpenVinoEngine, "onnxruntime": OnnxEngine}[engine]
        opened = kind(description, random_weights(description.network))
    return lambda image: upscale(image, opened)


def keras_network(description: ModelDescription) -> Any:
    """Return the network in Keras."""
    from src_models.networks.model_files import new_model

    network = new_model(description)
    for name, values in random_weights(description.network).items():
        layer, kind = name.split("/")
        getattr(network.model.get_layer(layer), kind).assign(values)
    return network


def by_isr(description: ModelDescription) -> Callable[[Image], object]:
    """Return ISR's prediction by patches."""
    network, config = keras_network(description).model, description.config

    def run(image: Image) -> object:
        unit = np.atleast_3d(image) / 255.0  # float64, as are the patches and the whole result
        height, width = (-(-n // PATCH) * PATCH for n in unit.shape[:2])
        more = ((0, height - unit.shape[0]), (0, width - unit.shape[1]), (0, 0))
        around = ((PADDING, PADDING), (PADDING, PADDING), (0, 0))
        unit = np.pad(np.pad(unit, more, mode="edge"), around, mode="edge")
        side = PATCH + 2 * PADDING
        corners = list(itertools.product(range(0, height, PATCH), range(0, width, PATCH)))
        patches = np.array([unit[y : y + side, x : x + side] for y, x in corners])
        outputs = network.predict(patches[:BATCH], verbose=0)
        for start in range(BATCH, len(patches), BATCH):
            more_answers = network.predict(patches[start : start + BATCH], verbose=0)
            outputs = np.append(outputs, more_answers, axis=0)  # copies all, each time
        cut = slice(PADDING * config.x, -PADDING * config.x)
        whole = np.zeros((height * config.x, width * config.x, outputs.shape[-1]))
        for (y, x), output in zip(corners, outputs[:, cut, cut], strict=True):
            y, x = y * config.x, x * config.x
            whole[y : y + output.shape[0], x : x + output.shape[1]] = output
        whole = whole[: image.shape[0] * config.x, : image.shape[1] * config.x]
        return np.uint8(whole.clip(0, 1) * 255)

    return run


def by_torch(description: ModelDescription) -> Callable[[Image], object]:
    """Return the network in plain torch."""
    import torch
    from torch_operations import TorchOperations

    config = description.network
    operations = TorchOperations(random_weights(config))

    def run(image: Image) -> object:
        with torch.inference_mode():
            unit = torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1)[None].float() / 255
            output = walk(config, unit.contiguous(), operations)
            return (output[0].permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()

    return run


def by_matrix() -> Callable[[], object]:
    """Return a few large float32 matrix products."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return lambda: [np.matmul(a, a) for _ in range(PRODUCTS)]


def serve(network: str, engine: str, size: int) -> None:
    """Be the process of one line of the table: upscale again and again, and tell of each time."""
    if engine == MATRIX_PRODUCT:
        work = by_matrix()
    else:
        description = NETWORKS[network]
        channels = () if description.channels == 1 else (description.channels,)
        image = np.random.default_rng(0).integers(0, 256, (size, size, *channels), np.uint8)
        made = {"isr": by_isr, "torch": by_torch}.get(engine)
        try:
            run = made(description) if made else by_library(description, engine)
        except ImportError as missing:
            print(missing)
            return
        run(image[:128, :128])  # what is done once a session
        work = functools.partial(run, image)
    work()
    print(READY, flush=True)
    sys.stdin.readline()
    while True:
        work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(peak * (1 if sys.platform == "darwin" else 1024), flush=True)


class Case:
    """One line of the table, in a process of its own.

    Attributes
    ----------
    process : TakingTurns
        It says its peak memory in bytes after each image.
    """

    def __init__(self, python: str, network: str, engine: str, size: int) -> None:
        self.network, self.engine, self.size = network, engine, size
        self.process = TakingTurns(
            [python, __file__, "--case", json.dumps([network, engine, size])]
        )

    @property
    def done(self) -> list[float]:
        """What its clock told as it began and as each image was done."""
        return [0.0, *(clock for clock, _ in self.process.said)]

    def is_ready(self) -> bool:
        """Wait for the process, and tell whether it can do it."""
        if output := self.process.wait_until_ready():
            print(
                f"{self.network} {self.engine} {self.size}: not measured ({output})",
                file=sys.stderr,
            )
        return not output

    def take_turn(self) -> bool:
        """Run for a moment, and tell whether the process is there still: memory may run out."""
        if self.process.has_ended:
            print(f"{self.network} {self.engine} {self.size}: ended by itself", file=sys.stderr)
            return False
        self.process.take_turn()
        return True

    def images_by(self, clock: Sequence[float]) -> NDArray[np.float64]:
        """Return how many images were done by times of the clock, parts of one counted."""
        done: NDArray[np.float64] = np.interp(clock, self.done, range(len(self.done)))
        return done


def measure(cases: list[Case], rounds: int) -> list[Case]:
    """Let cases take turns until each has done so many images, and all have reached that moment."""
    enough = math.inf
    try:
        able = [case for case in cases if case.is_ready()]
        while any(case.done[-1] < enough for case in able):
            able = [case for case in able if case.take_turn()]
            if math.isinf(enough) and all(len(case.done) > rounds for case in able):
                enough = max(LEAST_S, *(case.done[rounds] for case in able))
            images = ", ".join(f"{len(case.done) - 1} {case.engine}" for case in able)
            print(f"{able[-1].network} {able[-1].size}: {images}", end="\r", file=sys.stderr)
    finally:
        for case in cases:
            case.process.end()
    print(file=sys.stderr)
    if able[:1] != cases[:1]:
        raise SystemExit("Without the matrix product there is nothing to compare with.")
    return able


def times_faster(case: Case, other: Case, until: float) -> NDArray[np.float64]:
    """Return how many images a case did in the time in which another did each of its own."""
    # All took turns of the same length, so their clocks tell the same moments.
    return np.diff(case.images_by([moment for moment in other.done if moment <= until]))


def table(results: list[list[Case]]) -> str:
    """Return the results as a table in Markdown; the cases of a list took turns."""
    windows = [min(case.done[-1] for case in cases) for cases in results]
    products = [
        PRODUCT * cases[0].images_by([until])[0] / until / 1e9
        for cases, until in zip(results, windows, strict=True)
    ]
    lines = [
        f"Matrix product: {min(products):.0f} to {max(products):.0f} GFLOP/s on "
        f"{processors_in_words()}, Python {platform.python_version()}.",
        "",
        "| network | input | engine | s | s per megapixel | GFLOP/s | share of matrix product "
        "| times ISR's way | peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (matrix, *cases), until in zip(results, windows, strict=True):
        for case in cases:
            config, pixels = NETWORKS[case.network].config, case.size**2
            images = case.images_by([until])[0]
            seconds = until / images
            operations = config.operations_per_pixel * pixels * images
            share = operations / (PRODUCT * matrix.images_by([until])[0])
            faster = "1.00" if case.engine == "isr" else ""
            for isr in [other for other in cases if other.engine == "isr" and other is not case]:
                ratios = times_faster(case, isr, until)
                faster = f"{images / isr.images_by([until])[0]:.2f} "
                faster += f"({ratios.min():.2f} to {ratios.max():.2f})"
            lines.append(
                f"| {case.network} | {case.size}x{case.size}x{config.c_dim} | {case.engine} "
                f"| {seconds:.2f} | {seconds / pixels * 1e6:.2f} "
                f"| {operations / until / 1e9:.0f} | {share:.2f} | {faster} "
                f"| {int(case.process.said[-1][1]) / 2**20:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        serve(*json.loads(args.case))
        return
    end_in_order()
    results = []
    for network, size in itertools.product(args.networks, args.sizes):
        cases = [
            Case(args.torch_python if engine == "torch" else sys.executable, network, engine, size)
            for engine in [MATRIX_PRODUCT, *args.engines]
        ]
        results.append(measure(cases, args.rounds))
    print(table(results))


if __name__ == "__main__":
    main()
