"""Measure how fast images are upscaled: every engine against ISR's way and plain torch.

``python benchmarks/upscaling.py`` prints one table from one run: seconds per megapixel of input,
the useful operations per second as a share of this machine's float32 matrix product, and the peak
memory, for each network, engine and image size. Operations spent on overlap and padding don't
count. Each line is measured in a process of its own; the best time of a few counts.

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
ENOUGH_S = 20
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


class Torch:
    """The network's operations as torch's, on features ``(B, C, H, W)``."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        import torch

        self.torch = torch
        self.weights = {
            name: torch.from_numpy(
                np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else w
            )
            for name, w in weights.items()
        }

    def conv(self, x: Any, name: str, relu: bool = False) -> Any:
        """Run a convolution."""
        kernel, bias = self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"]
        x = self.torch.nn.functional.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)
        return self.torch.relu_(x) if relu else x

    def concat(self, parts: Any) -> Any:
        """Join channels."""
        return self.torch.cat(list(parts), 1)

    def fuse(self, parts: Any, name: str, factor: float = 1.0) -> Any:
        """Close a dense block."""
        return self.add(parts[0], self.conv(self.concat(parts), name), factor)

    def add(self, a: Any, b: Any, factor: float = 1.0) -> Any:
        """Return ``a + factor * b``."""
        return self.torch.add(a, b, alpha=factor)

    def shuffle(self, x: Any, scale: int) -> Any:
        """Make pixels of channels."""
        b, c, h, w = x.shape
        x = x.reshape(b, scale, scale, -1, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(b, c // scale**2, h * scale, w * scale)

    def repeat(self, x: Any, scale: int) -> Any:
        """Repeat pixels."""
        return self.torch.nn.functional.interpolate(x, scale_factor=scale, mode="nearest")


def by_torch(description: ModelDescription) -> Callable[[Image], object]:
    """Return the network in plain torch."""
    config = description.network
    operations = Torch(random_weights(config))
    torch = operations.torch

    def run(image: Image) -> object:
        with torch.inference_mode():
            unit = torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1)[None].float() / 255
            answer = walk(config, unit.contiguous(), operations)
            return (answer[0].permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()

    return run


def matrix_product(seconds: float = 1.0) -> float:
    """Return the speed of a large float32 matrix product, the best of some, in operations/s."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    end, best = time.perf_counter() + seconds, np.inf
    while time.perf_counter() < end:
        started = time.perf_counter()
        np.matmul(a, a)
        best = min(best, time.perf_counter() - started)
    return float(2 * MATRIX**3 / best)


def measure(network: str, engine: str, size: int, repeats: int) -> dict[str, Any]:
    """Measure one line of the table, in this process."""
    description = NETWORKS[network]
    channels = () if description.channels == 1 else (description.channels,)
    image = np.random.default_rng(0).integers(0, 256, (size, size, *channels), np.uint8)
    started = time.perf_counter()
    made = {"isr": by_isr, "torch": by_torch}.get(engine)
    run = made(description) if made else by_library(description, engine)
    run(image[:128, :128])  # what is done once a session
    start_up = time.perf_counter() - started
    speed = matrix_product()
    times: list[float] = []
    while len(times) < repeats and sum(times) < ENOUGH_S:
        started = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - started)
    speed = max(speed, matrix_product())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "network": network,
        "engine": engine,
        "size": size,
        "seconds": min(times),
        "all_seconds": times,
        "start_up_seconds": start_up,
        "matrix_product": speed,
        "peak_bytes": peak * (1 if sys.platform == "darwin" else 1024),
    }


def in_process(python: str, network: str, engine: str, size: int, repeats: int) -> Any:
    """Measure in a process of its own; None if the engine is not there."""
    case = json.dumps([network, engine, size, repeats])
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [python, __file__, "--case", case],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["killed"]
        print(f"{network} {engine} {size}: not measured ({reason[0]})", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as a table in Markdown."""
    best = max(r["matrix_product"] for r in results)
    lines = [
        f"Matrix product: {best / 1e9:.0f} GFLOP/s on {processors_in_words()}, "
        f"Python {platform.python_version()}.",
        "",
        "| network | input | engine | s | s per megapixel | GFLOP/s | share of matrix product "
        "| times ISR's way | peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    isr = {(r["network"], r["size"]): r["seconds"] for r in results if r["engine"] == "isr"}
    for r in sorted(results, key=lambda r: (r["network"], r["size"])):
        config, pixels = NETWORKS[r["network"]].config, r["size"] ** 2
        speed = config.operations_per_pixel * pixels / r["seconds"]
        against = isr.get((r["network"], r["size"]))
        faster = f"{against / r['seconds']:.2f}" if against else ""
        lines.append(
            f"| {r['network']} | {r['size']}x{r['size']}x{config.c_dim} | {r['engine']} "
            f"| {r['seconds']:.2f} | {r['seconds'] / pixels * 1e6:.2f} | {speed / 1e9:.0f} "
            f"| {speed / best:.2f} | {faster} | {r['peak_bytes'] / 2**20:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(*json.loads(args.case))))
        return
    results = []
    for network in args.networks:
        for size in args.sizes:
            for engine in args.engines:
                python = args.torch_python if engine == "torch" else sys.executable
                found = in_process(python, network, engine, size, args.repeats)
                if found:
                    results.append(found)
                    seconds = found["seconds"]
                    print(f"{network} {size} {engine}: {seconds:.2f} s", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
