"""ISR's discriminator and VGG19: its shapes, names and counts, and features that mean something."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from src_models import Cut_VGG19, Discriminator
from src_models.errors import DownloadError, InvalidInputError, ModelFileError
from src_models.networks import vgg19
from src_models.networks.backend import keras


@pytest.mark.slow
def test_the_discriminator_has_isr_names_shapes_and_counts() -> None:
    discr = Discriminator(patch_size=80, kernel_size=3)
    assert (discr.name, discr.model.name) == ("srgan-large", "discriminator")
    assert discr.model.input_shape == (None, 80, 80, 3)
    assert discr.model.output_shape == (None, 20, 20, 1)
    # Convolutions 4,685,376, batch normalisations 7,424, dense layers 525,312 and 1,025.
    assert discr.model.count_params() == 5_219_137
    weighted = [layer.name for layer in discr.model.layers if layer.weights]
    named = [name for name in weighted if "BatchNorm" not in name]
    assert named == [*(f"Conv_{i}" for i in range(1, 9)), "Dense_1024", "Dense_last"]
    assert len(weighted) - len(named) == 7
    assert (discr.patch_size, discr.kernel_size, discr.block_num) == (80, 3, 7)


def test_the_discriminator_judges_in_probabilities_and_in_logits_of_the_same_weights() -> None:
    discr = Discriminator(16, c_dim=1)
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    real = np.asarray(discr.model.predict_on_batch(images))
    logits = np.asarray(discr.logits.predict_on_batch(images))
    assert real.shape == (2, 4, 4, 1)
    assert np.allclose(real, 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert discr.model.layers[-2] is discr.logits.layers[-1]


@pytest.mark.slow
def test_the_discriminator_trains_as_isr_trains_it() -> None:
    keras.utils.set_random_seed(0)
    discr = Discriminator(16)
    images = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    before = discr.model.get_weights()
    discr.model.train_on_batch(images, np.ones((2, 4, 4, 1)))
    after = discr.model.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_the_discriminator_takes_isr_weight_files(maker: Any, tmp_path: Path) -> None:
    first, second = Discriminator(8), Discriminator(8)
    layers: dict[str, Any] = {"input_1": None}
    tensors = {}
    norms = 0
    for layer in first.model.layers:
        name = layer.name
        if "BatchNorm" in name:
            norms += 1
            name = f"batch_normalization_{norms}"
        if layer.weights:
            layers[name] = None
            tensors |= {f"{name}/{w.name}": np.asarray(w) + 0.25 for w in layer.weights}
    path = maker.write(tmp_path / "discr-rdn-e010.hdf5", layers, tensors)
    second.model.load_weights(path)
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        assert np.array_equal(a + 0.25, b)


@pytest.mark.parametrize("arguments", [{"patch_size": 0}, {"kernel_size": 2.5}, {"c_dim": "3"}])
def test_a_setting_of_the_discriminator_that_does_not_fit_is_refused(
    arguments: dict[str, Any],
) -> None:
    with pytest.raises(InvalidInputError, match=r"must be a whole number.*Received"):
        Discriminator(**{"patch_size": 16, **arguments})


# VGG19 -------------------------------------------------------------------------------------------


def test_vgg19_has_isr_names_shapes_and_counts() -> None:
    f_ext = Cut_VGG19(patch_size=80, layers_to_extract=[5, 9], weights=None)
    assert (f_ext.name, f_ext.model.name) == ("vgg19", "feature_extractor")
    assert (f_ext.patch_size, f_ext.layers_to_extract) == (80, [5, 9])
    assert f_ext.model.input_shape == (None, 80, 80, 3)
    assert f_ext.model.output_shape == [(None, 40, 40, 128), (None, 20, 20, 256)]
    assert f_ext.model.count_params() == 1_735_488
    assert f_ext.model.trainable_variables == []
    weighted = [layer.name for layer in f_ext.model.layers if layer.weights]
    assert weighted[0] == "block1_conv1"
    assert weighted[-1] == "block3_conv3"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.slow
def test_features_are_those_of_vgg19_for_a_properly_prepared_image(channels: int) -> None:
    f_ext = Cut_VGG19(32, [1, 5], weights=None, c_dim=channels)
    image = np.random.default_rng(0).random((1, 32, 32, channels), np.float32)
    whole = keras.applications.VGG19(include_top=False, weights=None)
    for layer in f_ext.model.layers:
        if layer.weights:
            whole.get_layer(layer.name).set_weights(layer.get_weights())
    rgb = np.repeat(image, 4 - channels, axis=-1) if channels == 1 else image
    prepared = keras.applications.vgg19.preprocess_input(rgb * 255)
    expected = keras.Model(whole.inputs, [whole.layers[i].output for i in (1, 5)])
    for ours, theirs in zip(
        f_ext.model.predict_on_batch(image), expected.predict_on_batch(prepared), strict=True
    ):
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def vgg_file(path: Path, *, old_names: bool, without: str = "") -> Path:
    """Write VGG19's weights up to its second block, as Keras' own file names them."""
    shapes = {"block1_conv1": (3, 3, 3, 64), "block1_conv2": (3, 3, 64, 64)}
    shapes |= {"block2_conv1": (3, 3, 64, 128), "block2_conv2": (3, 3, 128, 128)}
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [*shapes, "fc1"]
        file["fc1/fc1/kernel:0"] = np.zeros((2, 2), np.float32)
        for name, shape in shapes.items():
            kernel, bias = (f"{name}_W_1", f"{name}_b_1") if old_names else ("kernel", "bias")
            if name != without:
                file[f"{name}/{name}/{kernel}:0"] = rng.normal(0, 0.01, shape).astype(np.float32)
            file[f"{name}/{name}/{bias}:0"] = rng.normal(0, 0.01, shape[3]).astype(np.float32)
    return path


def test_features_of_early_layers_need_no_larger_patches_than_those_layers() -> None:
    f_ext = Cut_VGG19(24, [5, 9], weights=None)
    small, smaller = f_ext.model.predict(np.zeros((1, 24, 24, 3), np.float32), verbose=0)
    assert small.shape[1:3] == (12, 12)
    assert smaller.shape[1:3] == (6, 6)


@pytest.mark.parametrize("old_names", [False, True])
def test_a_local_file_of_weights_is_taken_and_named(
    tmp_path: Path, caplog: Any, old_names: bool
) -> None:
    path = vgg_file(tmp_path / "vgg19.h5", old_names=old_names)
    with caplog.at_level(logging.INFO):
        f_ext = Cut_VGG19(32, [5], weights=path)
    assert f_ext.weights == str(path)
    assert f"weights from {path}" in caplog.text
    with h5py.File(path) as file:
        kernel = "block2_conv2_W_1:0" if old_names else "kernel:0"
        stored = file[f"block2_conv2/block2_conv2/{kernel}"][()]
    assert np.array_equal(np.asarray(f_ext.model.get_layer("block2_conv2").kernel), stored)


@pytest.mark.slow
def test_a_local_file_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    path = vgg_file(tmp_path / "vgg19.h5", old_names=False, without="block1_conv2")
    with pytest.raises(ModelFileError, match="of the layer block1_conv2 it has tensors of the sha"):
        Cut_VGG19(32, [5], weights=path)
    with pytest.raises(ModelFileError, match="There is no weight file"):
        Cut_VGG19(32, [5], weights=tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ModelFileError, match="is no HDF5 file"):
        Cut_VGG19(32, [5], weights=tmp_path / "text.h5")


def test_random_features_are_called_so(caplog: Any) -> None:
    with caplog.at_level(logging.INFO):
        f_ext = Cut_VGG19(32, [2], weights=None)
    assert f_ext.weights is None
    assert "random weights, whose features mean little" in caplog.text


def test_without_a_network_imagenet_weights_end_in_a_sentence(monkeypatch: Any) -> None:
    monkeypatch.setattr(vgg19, "_FILENAME", "vgg19_that_nobody_has.h5")
    monkeypatch.setattr(vgg19, "_URL", "http://127.0.0.1:9/vgg19_that_nobody_has.h5")
    with pytest.raises(DownloadError) as caught:
        Cut_VGG19(patch_size=80, layers_to_extract=[5, 9])
    message = str(caught.value)
    for wanted in ("vgg19_that_nobody_has.h5", "127.0.0.1:9", "models", "weights=None"):
        assert wanted in message


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"layers_to_extract": []}, "must name at least one layer"),
        ({"layers_to_extract": [22]}, "numbers of VGG19's layers, 0 to 21"),
        ({"layers_to_extract": [-1]}, "layers_to_extract must be a whole number of at least 0"),
        ({"layers_to_extract": ["block1_conv1"]}, "layers_to_extract must be a whole number"),
        ({"patch_size": 0}, "patch_size must be a whole number of at least 1"),
        ({"patch_size": 16, "layers_to_extract": [21]}, "needs patches of at least 32 pixels"),
        ({"c_dim": 2}, "VGG19 sees images of 3 channels, or of 1"),
    ],
)
def test_a_setting_of_vgg19_that_does_not_fit_is_refused(
    arguments: dict[str, Any], sentence: str
) -> None:
    settings = {"patch_size": 32, "layers_to_extract": [5], "weights": None}
    with pytest.raises(InvalidInputError, match=sentence) as caught:
        Cut_VGG19(**{**settings, **arguments})
    assert "Received" in str(caught.value)
