from __future__ import annotations

import numpy as np
import pytest

from src_models import RRDN, describe_model, load_model, upscale
from src_models.errors import ModelFileError
from src_models.networks.initialization import start_as_interpolation
from src_models.upscaling.lazy import upscale_lazily

ARCH = {"C": 1, "D": 1, "G": 8, "G0": 8, "T": 1, "x": 2}


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """A faithful model, a sharp one of the same kind, and one of another kind, by their names."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_ISR_MODELS", str(folder))
    faithful, sharp = RRDN(ARCH, c_dim=1), RRDN(ARCH, c_dim=1)
    faithful.describe(name="faithful")
    sharp.describe(name="sharp", faithful="faithful")
    for seed, network in enumerate((faithful, sharp)):
        start_as_interpolation(network)
        rng = np.random.default_rng(seed)
        weights = [w + rng.normal(0, 0.03, w.shape) for w in network.model.get_weights()]
        network.model.set_weights(weights)
        network.save(folder / network.description.name)
    other = RRDN(ARCH | {"G": 4}, c_dim=1)
    other.describe(name="other", faithful="faithful")
    other.save(folder / "other")
    return faithful, sharp


@pytest.fixture
def image(rng) -> np.ndarray:
    return rng.integers(0, 255, (20, 24)).astype(np.uint8)


@pytest.mark.parametrize("engine", ["keras", "openvino", "onnxruntime"])
@pytest.mark.slow
def test_the_ends_are_the_two_models(models, image, engine) -> None:
    faithful, sharp = models
    for name, network in (("sharp@0", faithful), ("sharp@1", sharp), ("sharp", sharp)):
        np.testing.assert_array_equal(
            upscale(image, name, engine=engine), upscale(image, network, engine=engine)
        )


def test_between_them_weights_are_mixed_alike_on_every_engine(models, image) -> None:
    faithful, sharp = models
    mixed = load_model("sharp@0.25")
    for a, b, c in zip(*(m.model.get_weights() for m in (faithful, sharp, mixed)), strict=True):
        np.testing.assert_allclose(c, 0.75 * a + 0.25 * b, atol=1e-7)
    results = [
        upscale(image, "sharp@0.25", engine=engine).astype(int)
        for engine in ("keras", "openvino", "onnxruntime")
    ]
    assert not np.array_equal(results[0], upscale(image, "sharp"))
    for result in results[1:]:
        assert np.abs(result - results[0]).max() <= 1


def test_a_lazy_result_is_as_sharp_as_its_name_says(image) -> None:
    for name in ("sharp@0.5", "sharp@0"):  # one after the other: nothing is kept of the first
        lazy = np.asarray(upscale_lazily(image, name))
        np.testing.assert_array_equal(lazy, upscale(image, name))


def test_the_name_tells_the_sharpness() -> None:
    assert describe_model("sharp@0.50").name == "sharp@0.5"
    assert describe_model("sharp").faithful == "faithful"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sharp@2", "must be from 0 to 1"),
        ("sharp@nan", "must be from 0 to 1"),
        ("sharp@", "must be from 0 to 1"),
        ("faithful@0.5", "no sharpness to choose"),
        ("other@0.5", "Only networks that are alike"),
        ("nothing@0.5", "neither"),
    ],
)
def test_what_has_no_sharpness_is_refused_in_a_sentence(image, name, words) -> None:
    for engine in ("keras", "openvino"):
        with pytest.raises(ModelFileError, match=words):
            upscale(image, name, engine=engine)


def test_a_file_may_have_the_sign_in_its_name(models, image, tmp_path) -> None:
    path = models[1].save(tmp_path / "mine@0.5.keras")
    np.testing.assert_array_equal(upscale(image, path), upscale(image, "sharp"))
