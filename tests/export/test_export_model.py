"""Exported models run without us and answer as `upscale` does."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src_models import export_model, upscale
from src_models.errors import DiskFullError, InvalidInputError, ModelFileError, SuperResolutionError
from src_models.export.portable import border_of

CHANNELS = {1: "YX", 3: "YXC"}


def picture(channels: int = 1, size: tuple[int, int] = (30, 41)) -> Any:
    """Float32 ``(Y, X, C)`` of which both ends of the range are reached by many pixels."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(5).random((*size, channels))
    smooth = gaussian_filter(noise, (1.2, 1.2, 0))
    low, high = np.percentile(smooth, (5, 95))
    return np.clip((smooth - low) / (high - low), 0, 1).astype(np.float32)


def ours(network: Any, image: Any) -> Any:
    return upscale(image, network, axes="YXC", engine="onnxruntime", tile_size=500)


def as_batch(image: Any) -> Any:
    return image.transpose(2, 0, 1)[None]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "scale"), [("rdn", 2), ("rrdn", 3), ("rdn", 1)])
@pytest.mark.slow
def test_an_onnx_file_answers_as_we_do_in_onnxruntime_alone(
    tiny_network: Callable[..., Any], tmp_path: Path, kind: str, scale: int, channels: int
) -> None:
    network, image = tiny_network(kind, channels, scale), picture(channels)
    path = export_model(network, "onnx", tmp_path / "tiny")
    assert path == tmp_path / "tiny.onnx"
    np.save(tmp_path / "image.npy", as_batch(image))
    script = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('tiny.onnx')\n"
        "answer, = session.run(None, {'image': numpy.load('image.npy')})\n"
        "numpy.save('answer.npy', answer)\n"
        "assert not {'src_models', 'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    output = np.load(tmp_path / "answer.npy")
    np.testing.assert_allclose(output, as_batch(ours(network, image)), atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "scale"), [("rdn", 2), ("rrdn", 3)])
def test_an_openvino_file_answers_as_we_do(
    tiny_network: Callable[..., Any], tmp_path: Path, kind: str, scale: int, channels: int
) -> None:
    import openvino

    network, image = tiny_network(kind, channels, scale), picture(channels)
    path = export_model(network, "openvino", tmp_path / "tiny")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "tiny.bin", path]
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    batch = np.concatenate([as_batch(image), as_batch(image)[..., ::-1]])
    output = compiled({"image": batch})["answer"]
    np.testing.assert_allclose(output[:1], as_batch(ours(network, image)), atol=1e-4)
    mirrored = as_batch(ours(network, image[:, ::-1]))
    np.testing.assert_allclose(output[1:], mirrored, atol=1e-4)
    described = openvino.Core().read_model(path).get_rt_info(["napari_isr"]).astype(str)
    assert json.loads(described)["name"] == "tiny"


def test_a_network_that_sees_a_bare_border_is_written_down_so(
    identity_network: Callable[..., Any], tiny_network: Callable[..., Any], tmp_path: Path
) -> None:
    import copy

    import onnxruntime

    network = copy.copy(tiny_network())
    network.describe(border="bare")
    image = picture()
    assert border_of(network.description) == 0
    path = export_model(network, "onnx", tmp_path)
    output = onnxruntime.InferenceSession(path).run(None, {"image": as_batch(image)})[0]
    np.testing.assert_allclose(output, as_batch(ours(network, image)), atol=1e-4)


def test_any_batch_and_size_goes_through_an_onnx_file(
    tiny_network: Callable[..., Any], tmp_path: Path
) -> None:
    import onnxruntime

    network = tiny_network()
    session = onnxruntime.InferenceSession(export_model(network, "onnx", tmp_path))
    least = border_of(network.description) + 1
    for batch, height, width in [(1, least, least), (3, least + 1, 31), (2, 40, least)]:
        given = np.zeros((batch, 1, height, width), np.float32)
        assert session.run(None, {"image": given})[0].shape == (batch, 1, 2 * height, 2 * width)


def test_an_onnx_file_says_of_itself_what_it_takes(
    tiny_network: Callable[..., Any], tmp_path: Path
) -> None:
    import onnx

    network = tiny_network()
    model = onnx.load(export_model(network, "onnx", tmp_path))
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert (told["layout"], told["input_range"], told["scale"]) == ("NCHW", "0..1", "2")
    assert json.loads(told["napari-isr"]) == json.loads(network.description.to_json())
    for words in ("float32, (batch, channel, y, x)", "intensities in [0, 1]", "not clipped"):
        assert words in model.doc_string


@pytest.fixture
def collected() -> Iterator[None]:
    """Close the files that the zoo's software leaves open."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("intensity", ["measured", "8-bit"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.slow
def test_a_package_passes_the_test_of_the_zoo_and_gives_our_pixels(
    tiny_network: Callable[..., Any], tmp_path: Path, channels: int, intensity: str
) -> None:
    from bioimageio.core import predict, test_model

    network = tiny_network("rdn", channels)
    before = network.description
    network.describe(intensity=intensity)
    try:
        path = export_model(network, "bioimageio", tmp_path)
        image = np.rint(picture(channels, (48, 48)) * 255)
        stored = image.astype(np.uint8 if intensity == "8-bit" else np.uint16)
        expected = ours(network, stored).astype(np.float64)
    finally:
        network.description = before
    assert path == tmp_path / "tiny.bioimageio.zip"
    summary = test_model(path)
    assert summary.status == "passed", summary.format()
    sample = predict(model=path, inputs={"image": as_batch(image).astype(np.float32)})
    output = np.asarray(sample.members["answer"].data)
    if intensity == "measured":  # the package leaves them scaled: 0 and 255 became 0 and 1
        output = output * 255
    bounded = np.clip(np.rint(output), 0, None)
    assert np.abs(bounded - as_batch(expected)).max() <= 1  # rounding may fall to either side
    assert (bounded == as_batch(expected)).mean() > 0.99


@pytest.mark.usefixtures("collected")
@pytest.mark.slow
def test_a_package_holds_card_cover_and_our_file(
    tiny_network: Callable[..., Any], tmp_path: Path
) -> None:
    from bioimageio.spec import load_description

    score = {"PSNR": 31.5, "SSIM": 0.9}, {"PSNR": 30.0, "SSIM": 0.8}
    network = tiny_network()
    before = network.description
    network.describe(
        name="Zellen (größer)/2",
        summary="For cells.",
        training={
            "by": "Ada Lovelace, Somewhere 1/2",
            "license": "CC-BY-4.0",
            "trained_on": "cells",
            "scores": [{"name": "a", "model": score[0], "bicubic": score[1]}],
        },
    )
    try:
        file = network.save(tmp_path / "cells.keras")
    finally:
        network.description = before
    path = export_model(file, "bioimageio", tmp_path / "package.zip")
    assert path == tmp_path / "package.zip"
    described: Any = load_description(path)
    assert described.description == "For cells."
    assert [author.name for author in described.authors] == ["Ada Lovelace"]
    assert str(described.license) == "CC-BY-4.0"
    assert described.name.startswith("Zellen (gr--er)-2")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        card = archive.read("README.md").decode()
        with archive.open("cover.png") as opened, Image.open(opened) as cover:
            assert cover.size == (512, 256)
    assert {"network.onnx", "test_input.npy", "test_output.npy", "cells.keras"} <= names
    for words in ("Trained on: cells", "31.50 dB", "bicubic interpolation 30.00 dB", "CC-BY-4.0"):
        assert words in card
    named = export_model(
        file, "bioimageio", tmp_path / "b.zip", authors=["B. C."], license_id="MIT"
    )
    renamed: Any = load_description(named)
    assert ([author.name for author in renamed.authors], str(renamed.license)) == (["B. C."], "MIT")
    with pytest.raises(InvalidInputError, match=r"SPDX identifiers.*Received: 'Mine'"):
        export_model(file, "bioimageio", tmp_path / "c.zip", license_id="Mine")
    assert not (tmp_path / "c.zip").exists()


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_nothing_is_overwritten_unasked(
    tiny_network: Callable[..., Any], tmp_path: Path, to: Any
) -> None:
    path = export_model(tiny_network(), to, tmp_path / "a")
    files = sorted(tmp_path.iterdir())
    before = [file.read_bytes() for file in files]
    with pytest.raises(InvalidInputError, match="nothing is overwritten unasked"):
        export_model(tiny_network("rrdn"), to, tmp_path / "a")
    assert [file.read_bytes() for file in files] == before
    assert export_model(tiny_network("rrdn"), to, tmp_path / "a", overwrite=True) == path
    assert [file.read_bytes() for file in files] != before
    assert sorted(tmp_path.iterdir()) == files


@pytest.mark.parametrize("to", ["onnx", "openvino", "bioimageio"])
def test_a_full_disk_leaves_nothing_behind(small_disk: Path, to: Any) -> None:
    with pytest.raises(DiskFullError, match="is full: make room"):
        export_model("microscopy-x2", to, small_disk)
    assert list(small_disk.iterdir()) == []


def test_what_cannot_be_exported_is_refused_in_a_sentence(
    repeating: Callable[..., Any], tiny_network: Callable[..., Any], tmp_path: Path
) -> None:
    wrong: Any = "steam"
    with pytest.raises(InvalidInputError, match="exported to one of"):
        export_model("microscopy-x2", wrong, tmp_path)
    with pytest.raises(ModelFileError, match="A model is one of the names"):
        export_model("nope", "onnx", tmp_path)
    with pytest.raises(InvalidInputError, match="replaced by hand cannot be exported"):
        export_model(repeating(), "onnx", tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SuperResolutionError, match="cannot be written"):
        export_model(tiny_network(), "onnx", tmp_path / "file" / "a.onnx")


def test_a_library_that_is_missing_is_named(
    tiny_network: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src_models.export import export_model as export

    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "bioimageio" else name)
    with pytest.raises(InvalidInputError, match=r'pip install "napari-isr\[bioimageio\]"'):
        export_model(tiny_network(), "bioimageio", tmp_path)
