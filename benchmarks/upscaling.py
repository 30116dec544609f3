"""Measure how fast images are upscaled: every engine against ISR's way and plain torch.

``python benchmarks/upscaling.py`` prints one table from one run: seconds per megapixel of input,
the useful operations per second as a share of this machine's float32 matrix product, and the peak
memory, for each network, engine and image size. Operations spent on overlap and padding don't
count. Each line has a process of its own. They take turns, with a second of matrix products between
them, and the medians of a few rounds count: times by ISR's are told round by round, with their
range, because what else a machine does changes from minute to minute.

- ``openvino``, ``onnxruntime``, ``keras``: `src_models.upscale` with its default settings.
- ``isr``: as ISR did it. The image in patches of 50 pixels with 2 pixels of padding on each side,
  batches of 10 patches, and Keras' ``predict`` for each batch.
- ``torch``: the same network in plain torch, the whole image at once; ``--torch-python`` names an
  interpreter that has torch, if this one has not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.config import NetworkConfig
from src_models.description import ModelDescription
from src_models.graph import walk
from src_models.legacy_config import shapes_of
from src_models.pretrained import describe_model
from src_models.timing import processors_in_words

NETWORKS = {name: describe_model(name) for name in ("microscopy-x2", "psnr-small", "gans")}
ENGINES = ["openvino", "onnxruntime", "keras", "isr", "torch"]
PATCH, PADDING, BATCH = 50, 2, 10
MATRIX = 2048
READY = "ready"
TURN_S = 2  # for so long at least, as the first image takes its memory anew
Image = NDArray[np.uint8]


def random_weights(config: NetworkConfig) -> dict[str, NDArray[np.float32]]:
    """Return weights that keep the features finite; the speed does not depend on them."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.02, s).astype("f4") for name, s in shapes_of(config).items()}


def by_library(description: ModelDescription, engine: str) -> Callable[[Image], object]:
    """Return `src_models.upscale` on an engine, in memory."""
    from src_models import open_engine, upscale
    from src_models.onnx_engine import OnnxEngine
    from src_models.openvino_engine import OpenVinoEngine

    opened: Any
    if engine == "keras":
        opened = open_engine(keras_network(description), "keras")
    else:  # without Keras, so that the memory is theirs alone
        kind = {"openvino": OpenVinoEngine, "onnxruntime": OnnxEngine}[engine]
        opened = kind(description, random_weights(description.network))
    return lambda image: upscale(image, opened)


def keras_network(description: ModelDescription) -> Any:
    """Return the network in Keras."""
    from src_models.model_io import new_model

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
        answers = network.predict(patches[:BATCH], verbose=0)
        for start in range(BATCH, len(patches), BATCH):
            more_answers = network.predict(patches[start : start + BATCH], verbose=0)
            answers = np.append(answers, more_answers, axis=0)  # copies all, each time
        cut = slice(PADDING * config.x, -PADDING * config.x)
        whole = np.zeros((height * config.x, width * config.x, answers.shape[-1]))
        for (y, x), answer in zip(corners, answers[:, cut, cut], strict=True):
            y, x = y * config.x, x * config.x
            whole[y : y + answer.shape[0], x : x + answer.shape[1]] = answer
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
            answer = walk(config, unit.contiguous(), operations)
            return (answer[0].permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()

    return run


def matrix_product(seconds: float = 1.0) -> float:
    """Return the speed of large float32 matrix products, in operations per second."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    np.matmul(a, a)
    started, products = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        np.matmul(a, a)
        products += 1
    return 2 * MATRIX**3 * products / (time.perf_counter() - started)


def serve(network: str, engine: str, size: int) -> None:
    """Be the process of one line of the table: upscale whenever a line comes in."""
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
    run(image)
    print(READY, flush=True)
    for _ in sys.stdin:
        times: list[float] = []
        while sum(times) < TURN_S:
            started = time.perf_counter()
            run(image)
            times.append(time.perf_counter() - started)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
        print(json.dumps({"seconds": statistics.median(times), "peak_bytes": peak}), flush=True)


class Case:
    """One line of the table, in a process of its own."""

    def __init__(self, python: str, network: str, engine: str, size: int) -> None:
        self.network, self.engine, self.size = network, engine, size
        self.seconds: list[float] = []
        self.matrix_product: list[float] = []
        self.peak_bytes = 0
        root = str(Path(__file__).parents[1])
        paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [python, __file__, "--case", json.dumps([network, engine, size])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def is_ready(self) -> bool:
        """Wait for the process, and tell whether it can do it."""
        answer = self._line().strip() or "the process ended"
        if answer != READY:
            print(
                f"{self.network} {self.engine} {self.size}: not measured ({answer})",
                file=sys.stderr,
            )
        return answer == READY

    def take_turn(self, before: float) -> float:
        """Measure once; take the speed of matrix products before it, and return that after it."""
        assert self._process.stdin is not None
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        after = matrix_product()
        self.seconds.append(answer["seconds"])
        self.matrix_product.append((before + after) / 2)
        self.peak_bytes = answer["peak_bytes"]
        print(
            f"{self.network} {self.size} {self.engine}: {self.seconds[-1]:.2f} s", file=sys.stderr
        )
        return after

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(cases: list[Case], rounds: int) -> list[Case]:
    """Let cases take turns, so that what else the machine does meets all alike."""
    able = [case for case in cases if case.is_ready()]
    speed = matrix_product()
    for _ in range(rounds):
        for case in able:
            speed = case.take_turn(speed)
    for case in cases:
        case.end()
    return able


def table(results: list[Case]) -> str:
    """Return the results as a table in Markdown."""
    products = np.concatenate([case.matrix_product for case in results]) / 1e9
    lines = [
        f"Matrix product: {np.median(products):.0f} GFLOP/s ({products.min():.0f} to "
        f"{products.max():.0f}) on {processors_in_words()}, Python {platform.python_version()}.",
        "",
        "| network | input | engine | s | s per megapixel | GFLOP/s | share of matrix product "
        "| times ISR's way | peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    isr = {(case.network, case.size): case.seconds for case in results if case.engine == "isr"}
    for case in results:
        config, pixels = NETWORKS[case.network].config, case.size**2
        seconds = np.array(case.seconds)
        speeds = config.operations_per_pixel * pixels / seconds
        share = np.median(speeds / case.matrix_product)
        faster = ""
        if (case.network, case.size) in isr:
            ratios = np.array(isr[case.network, case.size]) / seconds
            faster = f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        lines.append(
            f"| {case.network} | {case.size}x{case.size}x{config.c_dim} | {case.engine} "
            f"| {np.median(seconds):.2f} | {np.median(seconds) / pixels * 1e6:.2f} "
            f"| {np.median(speeds) / 1e9:.0f} | {share:.2f} | {faster} "
            f"| {case.peak_bytes / 2**20:.0f} |"
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
    results = []
    for network, size in itertools.product(args.networks, args.sizes):
        cases = [
            Case(args.torch_python if engine == "torch" else sys.executable, network, engine, size)
            for engine in args.engines
        ]
        results += measure(cases, args.rounds)
    print(table(results))


if __name__ == "__main__":
    main()
