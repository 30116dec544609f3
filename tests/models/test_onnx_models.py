"""ONNX files of other people as models: found out by looking and trying, or refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from src_models import describe_model, export_model, load_model, upscale
from src_models.engines.opening import choose_engine
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.onnx_config import OnnxConfig
from src_models.models.user_models import add_user_model, user_models

TYPES = {"float": TensorProto.FLOAT, "half": TensorProto.FLOAT16, "byte": TensorProto.UINT8}


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_ISR_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


class Graph:
    """Writes an ONNX file node by node; ``x`` is the name of the last result."""

    def __init__(self) -> None:
        self.x = "input"
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def do(self, kind: str, *constants: Any, **attributes: Any) -> Graph:
        names = [self.x]
        for values in constants:
            if values is None:
                names.append("")
                continue
            names.append(f"c{len(self.constants)}")
            self.constants.append(numpy_helper.from_array(np.asarray(values), names[-1]))
        self.x = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [self.x], **attributes))
        return self

    def larger(self, scale: float = 2.0, mode: str = "linear", layout: str = "NCHW") -> Graph:
        scales = [1, 1, scale, scale] if layout == "NCHW" else [1, scale, scale, 1]
        return self.do("Resize", None, np.array(scales, np.float32), mode=mode)

    def save(self, path: Path, shape: Any, dtype: str = "float", outputs: int = 1) -> Path:
        kind = TYPES[dtype]
        given = [helper.make_tensor_value_info("input", kind, shape)]
        names = [self.x] if outputs == 1 else [self.x, self.nodes[0].output[0]]
        answers = [helper.make_tensor_value_info(name, kind, None) for name in names]
        graph = helper.make_graph(self.nodes, "foreign", given, answers, self.constants)
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path


def learnt(channels: int = 3, scale: int = 2, white: int = 1, largest: int | None = None) -> Graph:
    """Make a network as people train them: convolutions, pixel shuffle, and a clip at white."""
    kernel = np.zeros((channels * scale**2, channels, 3, 3), np.float32)
    for c in range(channels):
        kernel[c * scale**2 : (c + 1) * scale**2, c, 1, 1] = 1
    kernel += np.random.default_rng(0).normal(0, 0.004, kernel.shape).astype(np.float32)
    bias = np.full(len(kernel), 0.01 * white, np.float32)
    graph = Graph().do("Conv", kernel, bias, pads=[1, 1, 1, 1])
    graph.do("DepthToSpace", blocksize=scale, mode="CRD")
    top = white if largest is None else largest
    return graph.do("Clip", np.float32(0), np.float32(top))


def image(channels: int = 3, size: tuple[int, int] = (37, 50)) -> Any:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(1).random((*size, channels))
    smooth = gaussian_filter(noise, (1.5, 1.5, 0))
    low, high = smooth.min(), smooth.max()
    return np.rint((smooth - low) / (high - low) * 255).astype(np.uint8)


def repeated(pixels: Any, scale: int) -> Any:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("white", [1, 255])
def test_scale_channels_and_range_are_found(
    tmp_path: Path, channels: int, scale: int, white: int
) -> None:
    path = learnt(channels, scale, white).save(tmp_path / "a.onnx", ["n", channels, "h", "w"])
    description = describe_model(path)
    config = description.config
    assert isinstance(config, OnnxConfig)
    assert (description.name, description.scale, description.channels) == ("a", scale, channels)
    assert (config.layout, config.data_range, config.multiple) == ("NCHW", white, 1)
    assert config.num_parameters == channels * scale**2 * (9 * channels + 1) + 2
    assert config.operations_per_pixel == 2 * 9 * channels * channels * scale**2
    pixels = image(channels)
    larger = upscale(pixels, str(path), axes="YXC").astype(float)
    assert np.abs(larger - repeated(pixels, scale)).mean() < 10


@pytest.mark.parametrize("white", [1, 255])
def test_the_range_is_found_without_a_limit_in_the_network(tmp_path: Path, white: int) -> None:
    graph = Graph().do("Sub", np.float32(0.45 * white))  # a mean, as many networks take off
    graph.do("Conv", np.eye(3, dtype=np.float32)[..., None, None], np.full(3, -0.6 * white, "f4"))
    graph.do("LeakyRelu", alpha=0.98).do("Add", np.float32(1.05 * white)).larger(3, "cubic")
    path = graph.save(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    config: Any = describe_model(path).config
    assert config.data_range == white


@pytest.mark.parametrize("dtype", ["float", "half", "byte"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("told", [True, False])
def test_layout_and_type_are_found(tmp_path: Path, layout: str, dtype: str, told: bool) -> None:
    channels = 3 if told else "c"
    shape = ["n", channels, "h", "w"] if layout == "NCHW" else ["n", "h", "w", channels]
    graph = Graph()
    if dtype == "byte":
        graph.do("Cast", to=TensorProto.FLOAT)
    graph.larger(2, "nearest", layout)
    if dtype == "byte":
        graph.do("Cast", to=TensorProto.UINT8)
    path = graph.save(tmp_path / "a.onnx", shape, dtype)
    config: Any = describe_model(path).config
    assert (config.x, config.c_dim) == (2, 3)
    assert config.layout == layout
    pixels = image()
    off = np.abs(upscale(pixels, path, tile_size=16).astype(int) - repeated(pixels, 2))
    assert off.max() <= (dtype == "half")


def test_a_network_of_one_size_works_by_tiles_of_that_size(tmp_path: Path) -> None:
    path = learnt(1, 3).save(tmp_path / "a.onnx", [1, 1, 40, 48])
    free = learnt(1, 3).save(tmp_path / "b.onnx", ["n", 1, "h", "w"])
    config: Any = describe_model(path).config
    assert (config.fixed_height, config.fixed_width, config.largest) == (40, 48, 40)
    for size in ((37, 50), (100, 90), (5, 7), (40, 48)):
        pixels = image(1, size)[..., 0]
        expected = upscale(pixels, free)
        for settings in ({}, {"tile_size": 400, "overlap": 50}, {"batch_size": 3}):
            result = upscale(pixels, path, **settings)
            np.testing.assert_allclose(result, expected, atol=1)


def test_a_network_of_one_batch_size_gets_batches_of_that_size(tmp_path: Path) -> None:
    path = learnt(1).save(tmp_path / "a.onnx", [2, 1, "h", "w"])
    free = learnt(1).save(tmp_path / "b.onnx", ["n", 1, "h", "w"])
    pixels = image(1, (70, 50))[..., 0]
    for batch_size in (1, 3):
        settings: Any = {"batch_size": batch_size, "tile_size": 20}
        np.testing.assert_array_equal(
            upscale(pixels, path, **settings), upscale(pixels, free, **settings)
        )


@pytest.mark.parametrize("multiple", [2, 4])
def test_a_network_that_insists_on_multiples_gets_them(tmp_path: Path, multiple: int) -> None:
    graph = Graph().do("SpaceToDepth", blocksize=multiple)
    graph.do("DepthToSpace", blocksize=multiple).larger(2, "nearest")
    path = graph.save(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    config: Any = describe_model(path).config
    assert config.multiple == multiple
    pixels = image(size=(33, 47))
    np.testing.assert_array_equal(upscale(pixels, path), repeated(pixels, 2))


def to_classes(graph: Graph) -> Graph:
    graph.do("GlobalAveragePool").do("Flatten")
    return graph


REFUSED: dict[str, tuple[Callable[[], Graph], Any, str]] = {
    "classes": (lambda: to_classes(Graph()), ["n", 3, "h", "w"], "array of shape (1, 3)"),
    "same size": (lambda: Graph().do("Relu"), ["n", 3, "h", "w"], "one of the same size"),
    "one and a half": (lambda: Graph().larger(1.5), ["n", 3, 32, 32], "a whole number times"),
    "negative": (
        lambda: Graph().larger().do("Neg"),
        ["n", 3, "h", "w"],
        "something else than super-resolution",
    ),
    "NaN": (
        lambda: Graph().larger().do("Neg").do("Sqrt"),
        ["n", 3, "h", "w"],
        "something else than super-resolution",
    ),
    "two answers": (lambda: Graph().do("Relu").larger(), ["n", 3, "h", "w"], "2 outputs"),
    "volume": (lambda: Graph().do("Relu"), ["n", 1, "z", "h", "w"], "of 5 dimensions"),
    "no channels": (lambda: Graph().larger(), [1, 64, 32, 32], "no axis of channels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_super_resolution_is_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    make, shape, words = REFUSED[kind]
    path = make().save(tmp_path / "a.onnx", shape, outputs=2 if kind == "two answers" else 1)
    with pytest.raises(ModelFileError) as caught:
        describe_model(path)
    told = str(caught.value)
    assert told.startswith("The network in 'a.onnx' cannot be used: it ")
    assert words in told
    assert told.endswith("makes one image larger by a whole number, such as 2 or 4.")


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    path = Graph().do("Relu").save(tmp_path / "a.onnx", [1, 3, 8, 8])
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match="has 2 inputs and 1 outputs"):
        describe_model(path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" * 50])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    for act in (describe_model, lambda path: upscale(image(), path)):
        with pytest.raises(ModelFileError, match=r"'a\.onnx' cannot be") as caught:
            act(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError, match="neither"):
        describe_model(tmp_path / "b.onnx")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_a_model_that_we_exported_comes_back_the_same(
    tiny_network: Callable[..., Any], tmp_path: Path, kind: str, channels: int
) -> None:
    network = tiny_network(kind, channels)
    path = export_model(network, "onnx", tmp_path / "other")
    description = describe_model(path)
    assert (description.name, description.intensity) == ("tiny", "measured")
    for size in ((30, 41), (4, 60)):
        pixels = image(channels, size).astype(np.float32) / 255
        expected = upscale(pixels, network, axes="YXC", engine="keras")
        np.testing.assert_allclose(upscale(pixels, path, axes="YXC"), expected, atol=1e-3)


def test_an_imported_file_is_a_named_model_in_one_file(tmp_path: Path, models_folder: Path) -> None:
    path = learnt(white=255).save(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    model = onnx.load(path)
    onnx.save(
        model, path, save_as_external_data=True, location="a.weights", size_threshold=1
    )  # as large networks come
    expected = upscale(image(), path)
    kept = add_user_model(path, "anime", summary="For drawings.")
    assert user_models() == {"anime": kept}
    assert kept.parent == models_folder
    for file in (path, tmp_path / "a.weights"):
        file.unlink()
    np.testing.assert_array_equal(upscale(image(), "anime"), expected)
    assert describe_model("anime").summary == "For drawings."
    with pytest.raises(ModelFileError, match="There is a model 'anime' already"):
        add_user_model(kept, "anime")
    again = add_user_model(kept, "copy")
    np.testing.assert_array_equal(upscale(image(), again), expected)


def test_a_list_of_models_opens_no_network(tmp_path: Path) -> None:
    path = learnt().save(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    add_user_model(path, "anime")
    script = (
        "import sys; from src_models import describe_model, model_names\n"
        "assert 'anime' in model_names()\n"
        "assert describe_model('anime').scale == 2\n"
        "assert not {'onnx', 'onnxruntime', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_only_onnxruntime_runs_it_and_nothing_trains_it(tmp_path: Path) -> None:
    path = learnt().save(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    with pytest.raises(InvalidInputError, match="Only ONNX Runtime runs a model from an ONNX file"):
        upscale(image(), path, engine="keras")
    assert choose_engine("auto", describe_model(path)).name == "onnxruntime"
    for act in (load_model, export_model):
        with pytest.raises(ModelFileError, match="comes from an ONNX file: it can be used"):
            act(path)


def test_without_onnxruntime_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src_models.models import onnx_files

    path = learnt().save(tmp_path / "missing.onnx", ["n", 3, "h", "w"])
    monkeypatch.setattr(onnx_files, "find_spec", lambda _name: None)
    with pytest.raises(InvalidInputError, match=r'pip install "napari-isr\[onnx\]"'):
        describe_model(path)
