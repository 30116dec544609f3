"""ISR's calls as its documentation prints them, and each argument: it works or says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src_models import RDN, RRDN, load_model
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.download import FOLDER_VARIABLE, cache_folder
from src_models.models.published import PUBLISHED

RDN_ARCH = {"C": 2, "D": 2, "G": 4, "G0": 6, "x": 2}
RRDN_ARCH = {"C": 2, "D": 2, "G": 4, "G0": 6, "T": 2, "x": 2}


def as_isr(output: Any) -> Any:
    """Return an answer as 8-bit levels: as ISR, but rounded instead of cut off."""
    return np.clip(np.rint(output * 255), 0, 255)


@pytest.mark.slow
def test_the_prediction_of_the_readme_runs_as_printed(
    write: Any, maker: Any, photo: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    path, tensors = write("rdn-x2")
    path.rename("weights/rdn-C6-D20-G64-G064-x2_enhanced-e219.hdf5")
    Image.fromarray(photo).save("sample_image.png")

    img = Image.open("sample_image.png")
    lr_img = np.array(img) / 255.0
    lr_img = np.expand_dims(lr_img, axis=0)

    rdn = RDN(arch_params=RDN_ARCH)
    rdn.model.load_weights("weights/rdn-C6-D20-G64-G064-x2_enhanced-e219.hdf5")

    sr_img = rdn.model.predict(lr_img)[0]
    assert np.abs(sr_img - maker.output(tensors, photo / 255)).max() < 1e-4
    sr_img = sr_img.clip(0, 1) * 255
    sr_img = np.uint8(sr_img)
    assert Image.fromarray(sr_img).size == (2 * img.size[0], 2 * img.size[1])

    # and as the tutorial prints it
    sr_img = rdn.predict(np.array(img))
    assert sr_img.dtype == np.uint8
    assert np.abs(sr_img - as_isr(maker.output(tensors, photo / 255))).max() <= 1
    assert Image.fromarray(sr_img).size == (2 * img.size[0], 2 * img.size[1])


@pytest.mark.parametrize("name", ["rdn-x2", "rrdn-x3"])
@pytest.mark.slow
def test_patches_and_paddings_of_every_size_give_the_whole_image(
    write: Any, maker: Any, photo: Any, name: str
) -> None:
    path, tensors = write(name)
    model = load_model(path)
    image = photo[:11, :13]  # no size divides it
    whole = as_isr(maker.output(tensors, image / 255))
    assert np.abs(model.predict(image) - whole).max() <= 1
    for patch in (1, 2, 3, 5, 8, 11, 13, 50):
        for padding in (0, 1, 2, 4, 8, 30):
            tiled = model.predict(image, by_patch_of_size=patch, padding_size=padding)
            assert tiled.shape == whole.shape
            assert np.abs(tiled - whole).max() <= 1, (patch, padding)


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_the_size_of_a_batch_changes_nothing(write: Any, photo: Any, batch_size: int) -> None:
    model = load_model(write("rdn-x2")[0])
    tiled = model.predict(photo, by_patch_of_size=8, batch_size=batch_size, padding_size=2)
    assert np.array_equal(tiled, model.predict(photo, by_patch_of_size=8))


def test_a_published_network_gives_the_same_for_isr_defaults(reference: Path) -> None:
    model = load_model(reference / "psnr-small.hdf5")
    with np.load(reference / "isr_outputs.npz") as outputs:
        image, expected = outputs["psnr-small/input"], outputs["psnr-small/output_float"]
    image = np.array(image)
    tiled = model.predict(image, by_patch_of_size=50, batch_size=10, padding_size=2)
    assert np.abs(tiled - as_isr(expected.astype(np.float64))).max() <= 1


def test_weights_by_name_keep_the_patch_size_and_take_beta(
    write: Any, maker: Any, photo: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    path, tensors = write("rrdn-x2")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    small = replace(PUBLISHED["gans"].description, config=load_model(path).config)
    monkeypatch.setitem(PUBLISHED, "gans", replace(PUBLISHED["gans"], description=small))
    cache_folder().mkdir()
    path.rename(cache_folder() / PUBLISHED["gans"].filename)

    model = RRDN(weights="gans")
    assert (model.name, model.scale, model.params) == ("rrdn", 2, RRDN_ARCH)
    assert np.abs(model.predict(photo) - as_isr(maker.output(tensors, photo / 255))).max() <= 1
    model = RRDN(weights="gans", patch_size=40, beta=0.5)
    assert model.patch_size == 40
    expected = as_isr(maker.output(tensors, photo / 255, beta=0.5))
    assert np.abs(model.predict(photo) - expected).max() <= 1


def test_weights_override_the_architecture(write: Any) -> None:
    rdn = RDN(
        arch_params={"C": 9, "D": 9, "G": 9, "G0": 9, "x": 9}, weights=str(write("rdn-x4")[0])
    )
    assert rdn.params == {"C": 1, "D": 3, "G": 5, "G0": 4, "x": 4}


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_every_argument_of_isr_is_taken(scale: int) -> None:
    rdn = RDN(
        arch_params={**RDN_ARCH, "x": scale},
        patch_size=16,
        c_dim=3,
        kernel_size=5,
        upscaling="shuffle",
        init_extreme_val=0.01,
    )
    rrdn = RRDN(
        arch_params={**RRDN_ARCH, "x": scale},
        patch_size=16,
        beta=0.3,
        c_dim=3,
        kernel_size=1,
        init_val=0.01,
    )
    image = np.zeros((1, 16, 16, 3), np.float32)
    for model in (rdn, rrdn):
        assert (model.scale, model.patch_size, model.c_dim) == (scale, 16, 3)
        assert model.model.name == "generator"
        assert model.model.predict_on_batch(image).shape == (1, 16 * scale, 16 * scale, 3)
        assert 0.005 < max(np.abs(w).max() for w in model.model.get_weights()) <= 0.01


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"patch_size": 0}, "patch_size must be a whole number of at least 1"),
        ({"patch_size": "40"}, "patch_size must be a whole number"),
        ({"patch_size": 2.5}, "patch_size must be a whole number"),
        ({"c_dim": 0}, "c_dim must be a whole number"),
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"upscaling": "bilinear"}, "upscaling must be 'ups' .* or 'shuffle'"),
        ({"init_extreme_val": -1}, "drawn between minus and plus a number of at least 0"),
        ({"init_extreme_val": float("nan")}, "drawn between minus and plus"),
        ({"init_extreme_val": "small"}, "drawn between minus and plus"),
        ({"arch_params": {"C": 3}}, "must have exactly the keys"),
        ({"arch_params": {}}, "must have exactly the keys"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as caught:
        RDN(**{"arch_params": RDN_ARCH, **arguments})
    assert "Received" in str(caught.value)


@pytest.mark.parametrize("arguments", [{"beta": 0}, {"init_val": -1}, {"patch_size": -3}])
def test_an_argument_of_rrdn_that_does_not_fit_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="Received"):
        RRDN(RRDN_ARCH, **arguments)


def test_weights_that_are_nowhere_are_refused() -> None:
    with pytest.raises(ModelFileError, match="is one of the names"):
        RDN(weights="psnr-huge")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by_patch_of_size", -5),
        ("by_patch_of_size", 5.0),
        ("batch_size", 0),
        ("padding_size", -1),
        ("padding_size", "2"),
    ],
)
def test_an_argument_of_predict_that_does_not_fit_is_refused_by_its_name(
    photo: Any, name: str, value: Any
) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} must be a whole number.*Received"):
        RDN(RDN_ARCH).predict(photo, **{"by_patch_of_size": 8, name: value})


def test_isr_ways_to_say_the_whole_image(photo: Any) -> None:
    rdn = RDN(RDN_ARCH)
    assert np.array_equal(rdn.predict(photo, by_patch_of_size=0), rdn.predict(photo))
