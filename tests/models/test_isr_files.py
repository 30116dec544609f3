"""ISR's weight files: read without a word typed, exact, and refused with a reason."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from src_models import RDN, RRDN, describe_model, load_model, upscale
from src_models.errors import InvalidInputError, ModelFileError, SuperResolutionError
from src_models.images.tiling import Region, Tile, split_region
from src_models.models.config import RDNConfig, RRDNConfig
from src_models.models.isr_files import read_shapes

SMALL = [
    ("rdn-x2", RDNConfig(C=2, D=2, G=4, G0=6, x=2)),
    ("rdn-x3-shuffle", RDNConfig(C=2, D=2, G=4, G0=6, x=3, upscaling="shuffle")),
    ("rdn-x4", RDNConfig(C=1, D=3, G=5, G0=4, x=4)),
    ("rdn-x8-grey", RDNConfig(C=2, D=1, G=4, G0=4, x=8, c_dim=1)),
    ("rdn-x2-wide-kernels", RDNConfig(C=1, D=2, G=4, G0=4, x=2, kernel_size=5)),
    ("rrdn-x2", RRDNConfig(C=2, D=2, G=4, G0=6, T=2, x=2)),
    ("rrdn-x3", RRDNConfig(C=3, D=1, G=4, G0=4, T=1, x=3)),
    ("rrdn-x4", RRDNConfig(C=1, D=2, G=4, G0=6, T=3, x=4)),
    ("rrdn-x8-grey", RRDNConfig(C=2, D=1, G=4, G0=4, T=2, x=8, c_dim=1)),
]
ISR = [
    ("rdn_layers", {"C": 6, "D": 20, "G": 64, "G0": 64, "x": 2}, RDNConfig),
    ("rdn_layers", {"C": 3, "D": 10, "G": 64, "G0": 64, "x": 3}, RDNConfig),
    ("rrdn_layers", {"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4}, RRDNConfig),
    ("rrdn_layers", {"C": 4, "D": 3, "G": 64, "G0": 64, "T": 10, "x": 2}, RRDNConfig),
]


def whole(model: Any, image: Any) -> Any:
    return np.asarray(model.model.predict_on_batch(np.float32(image)[None]))[0]


def tiled(model: Any, image: Any, size: int, overlap: int) -> Any:
    """Run the network on the tiles that `upscale` would take, in floats."""
    height, width, channels = image.shape
    regions = list(split_region(Region(0, height, 0, width), size))
    shape = max(r.shape[0] for r in regions), max(r.shape[1] for r in regions)
    out = np.full((height * model.scale, width * model.scale, channels), np.nan)
    for region in regions:
        tile = Tile.around(
            region, (height, width), shape, overlap, model.scale, model.description.reflects
        )
        out[tile.write] = whole(model, tile.take(image[tile.read]))[tile.crop]
    return out


@pytest.mark.parametrize(("name", "config"), SMALL, ids=[name for name, _ in SMALL])
def test_a_file_tells_its_network_and_answers_as_isr_whole_and_tiled(
    write: Any, maker: Any, photo: Any, name: str, config: Any
) -> None:
    path, tensors = write(name)
    assert describe_model(path).config == config
    model = load_model(path)
    assert isinstance(model, RDN if config.network == "rdn" else RRDN)
    image = photo[..., : config.c_dim] / 255
    expected = maker.output(tensors, image)
    assert np.ptp(expected) > 0.1
    assert np.abs(whole(model, image) - expected).max() < 1e-4
    there = tiled(model, image, 9, config.receptive_radius)
    assert np.abs(there - expected).max() < 1e-4


@pytest.mark.parametrize("name", ["psnr-small", "gans"])
@pytest.mark.slow
def test_published_networks_answer_as_isr_did(reference: Path, name: str) -> None:
    model = load_model(reference / f"{name}.hdf5")
    with np.load(reference / "isr_outputs.npz") as outputs:
        image, expected = outputs[f"{name}/input"], outputs[f"{name}/output_float"]
    assert np.abs(whole(model, image / 255) - expected).max() < 1e-4
    levels = np.clip(np.rint(expected.astype(np.float64) * 255), 0, 255)
    assert np.abs(model.predict(image) - levels).max() <= 1
    assert np.abs(upscale(image, model, tile_size=16) - levels).max() <= 1


@pytest.mark.slow
def test_published_networks_answer_as_isr_did_tile_by_tile(reference: Path) -> None:
    model = load_model(reference / "psnr-small.hdf5")
    with np.load(reference / "isr_outputs.npz") as outputs:
        image, expected = outputs["psnr-small/input"], outputs["psnr-small/output_float"]
    radius = model.config.receptive_radius
    assert np.abs(tiled(model, image / 255, 8, radius) - expected).max() < 1e-4


@pytest.mark.parametrize("name", ["psnr-small", "gans"])
def test_the_script_writes_files_laid_out_as_the_published_ones(
    reference: Path, maker: Any, tmp_path: Path, name: str
) -> None:
    layers = (
        maker.rdn_layers(3, 10, 64, 64, 2)
        if name == "psnr-small"
        else maker.rrdn_layers(4, 3, 32, 32, 10, 4)
    )
    empty = {
        f"{layer}/{kind}": np.zeros(shape if kind == "kernel" else shape[3], np.float32)
        for layer, shape in layers.items()
        if shape is not None
        for kind in ("kernel", "bias")
    }
    path = maker.write(tmp_path / "made.hdf5", layers, empty, text=str)
    with h5py.File(path) as made, h5py.File(reference / f"{name}.hdf5") as published:
        assert list(made.attrs["layer_names"]) == list(published.attrs["layer_names"])
        assert set(made.attrs) == set(published.attrs)
        for layer in published:
            ours, theirs = made[layer], published[layer]
            assert list(ours.attrs["weight_names"]) == list(theirs.attrs["weight_names"])
    assert read_shapes(path) == read_shapes(reference / f"{name}.hdf5")


@pytest.mark.parametrize(("layers", "arch", "kind"), ISR)
def test_networks_of_isr_sizes_are_recognised_without_reading_their_weights(
    maker: Any, tmp_path: Path, layers: str, arch: dict[str, int], kind: Any
) -> None:
    path = tmp_path / "large.hdf5"
    with h5py.File(path, "w") as file:
        for layer, shape in getattr(maker, layers)(**arch).items():
            group = file.create_group(f"{layer}/{layer}")
            if shape is not None:  # never written, so it takes no room
                group.create_dataset("kernel:0", shape, "f4")
                group.create_dataset("bias:0", shape[3:], "f4")
    assert describe_model(path).config == kind(**arch)


@pytest.mark.parametrize(
    "layout",
    [
        {"scope": "{layer}_3"},
        {"scope": "generator/{layer}"},
        {"root": "model_weights"},
        {"text": str},
        {"top_level": False},
    ],
    ids=["built a second time", "nested", "whole model", "later Keras 2", "early Keras 2"],
)
def test_every_layout_that_keras_2_wrote_is_read(
    write: Any, maker: Any, photo: Any, layout: Any
) -> None:
    path, tensors = write("rrdn-x2", **layout)
    expected = maker.output(tensors, photo / 255)
    assert np.abs(whole(load_model(path), photo / 255) - expected).max() < 1e-4


def test_names_too_many_for_one_attribute_are_no_matter(
    write: Any, maker: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(maker, "LONGEST_ATTRIBUTE", 300)
    path, _ = write("rdn-x2")
    with h5py.File(path) as file:
        assert "layer_names1" in file.attrs
    assert load_model(path).scale == 2


def test_neither_name_nor_session_config_beside_the_file_matters(write: Any) -> None:
    path, _ = write("rrdn-x3", "rdn-C6-D20-G64-G064-x2_weights.hdf5")
    path.with_name("session_config.yml").write_text(
        "2019-04-12_09:14:\n  generator:\n    name: rdn\n    parameters: {C: 9, D: 9, x: 9}\n"
        "  metrics: &id001 !!python/name:ISR.utils.metrics.PSNR_Y ''\n"
    )
    assert load_model(path).config == dict(SMALL)["rrdn-x3"]


def test_beta_which_no_file_tells_is_settled_by_keyword(write: Any, maker: Any, photo: Any) -> None:
    path, tensors = write("rrdn-x2")
    image = photo / 255
    for model in (load_model(path, beta=0.7), RRDN(weights=str(path), beta=0.7)):
        assert model.config.beta == 0.7  # type: ignore[union-attr]
        assert np.abs(whole(model, image) - maker.output(tensors, image, 0.7)).max() < 1e-4


def test_upscaling_which_cannot_be_told_at_scale_1_is_settled_by_keyword(
    maker: Any, tmp_path: Path
) -> None:
    layers = maker.rdn_layers(1, 1, 4, 4, 1)
    path = maker.write(tmp_path / "same-size.hdf5", layers, maker.random_tensors(layers))
    assert load_model(path).config.upscaling == "ups"  # type: ignore[union-attr]
    assert load_model(path, upscaling="shuffle").config.upscaling == "shuffle"  # type: ignore[union-attr]


def test_a_keyword_that_contradicts_the_file_is_refused(write: Any) -> None:
    rdn, rrdn = write("rdn-x2")[0], write("rrdn-x2")[0]
    with pytest.raises(ModelFileError, match=r"of another shape: SR/kernel \(3, 3, 12, 3\)"):
        load_model(rdn, upscaling="shuffle")
    with pytest.raises(InvalidInputError, match="RDN has no setting beta"):
        load_model(rdn, beta=0.5)
    with pytest.raises(InvalidInputError, match="RRDN has no setting upscaling"):
        load_model(rrdn, upscaling="ups")
    ours = load_model(rdn).save(rdn.with_suffix(".keras"))
    with pytest.raises(InvalidInputError, match="model file says all by itself"):
        load_model(ours, beta=0.5)


@pytest.mark.parametrize("name", ["rdn-x2", "rdn-x3-shuffle", "rrdn-x4"])
@pytest.mark.slow
def test_saved_in_our_format_it_answers_the_same_bit_by_bit(
    write: Any, photo: Any, name: str
) -> None:
    path, _ = write(name)
    before = load_model(path)
    after = load_model(before.save(path.with_suffix(".keras")))
    assert after.description == before.description
    assert np.array_equal(whole(after, photo / 255), whole(before, photo / 255))


def test_importing_src_models_and_describing_models_imports_no_keras(write: Any) -> None:
    path, _ = write("rdn-x2")
    code = (
        "import sys, src_models; src_models.model_names();"
        "src_models.describe_model('gans'); src_models.describe_model(sys.argv[1]);"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=root)


def test_what_plain_keras_saved_of_the_network_still_loads(tmp_path: Path) -> None:
    rdn, other = (RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}) for _ in range(2))
    rdn.model.save_weights(tmp_path / "a.weights.h5")
    other.model.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(rdn.model.get_weights(), other.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_arguments_beside_the_file_leave_it_to_keras(write: Any, maker: Any, photo: Any) -> None:
    path, tensors = write("rdn-x2")
    rdn = RDN({"C": 2, "D": 2, "G": 4, "G0": 6, "x": 2})
    rdn.model.load_weights(path, by_name=True)
    expected = maker.output(tensors, photo / 255)
    assert np.abs(whole(rdn, photo / 255) - expected).max() < 1e-4


# What cannot be read -----------------------------------------------------------------------------


def refused(path: Path, match: str) -> None:
    """Check that a file is refused with a sentence by all who may open it."""
    for open_it in (
        load_model,
        describe_model,
        lambda p: RDN(weights=str(p)),
        RDN({"C": 2, "D": 2, "G": 4, "G0": 6, "x": 2}).model.load_weights,
    ):
        with pytest.raises(ModelFileError, match=match) as caught:
            open_it(path)
        message = str(caught.value)
        assert path.name in message
        assert message.endswith(".")
        assert "\n" not in message


def test_a_renamed_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.hdf5"
    path.write_text("psnr 31.2\n")
    refused(path, "is no HDF5 file, whatever its name says")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.hdf5"
    path.touch()
    refused(path, "is no HDF5 file")


def test_a_pointer_of_git_lfs_is_told_from_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "rdn.hdf5"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:b7\nsize 10694096\n")
    refused(path, "pointer to them: run 'git lfs pull'")


def test_a_truncated_file_is_refused_wherever_it_ends(write: Any) -> None:
    path, _ = write("rdn-x2")
    content = path.read_bytes()
    for part in np.linspace(0.01, 0.999, 25):
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(ModelFileError, match=r"is damaged|is no HDF5 file"):
            load_model(path)
    refused(path, "is damaged")


def test_a_file_of_noise_ends_in_a_sentence_or_in_a_model(write: Any) -> None:
    path, _ = write("rdn-x2")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(20):
        noisy = bytearray(content)
        for at in rng.integers(8, 4096, 12):
            noisy[at] = rng.integers(256)
        path.write_bytes(noisy)
        with suppress(SuperResolutionError):
            load_model(path)


def test_another_network_is_refused_by_its_layers(maker: Any, tmp_path: Path) -> None:
    vgg = {"block1_conv1": (3, 3, 3, 64), "block1_pool": None, "block2_conv1": (3, 3, 64, 128)}
    path = maker.write(tmp_path / "vgg19.h5", vgg, maker.random_tensors(vgg))
    refused_as = (
        "holds neither an RDN nor an RRDN of ISR: its layers are block1_conv1, block2_conv1"
    )
    with pytest.raises(ModelFileError, match=refused_as):
        load_model(path)
    with pytest.raises(ModelFileError, match=r"missing: F_m1/kernel .* not known: block1_conv1"):
        RDN().model.load_weights(path)


def test_an_empty_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nothing.hdf5"
    h5py.File(path, "w").close()
    with pytest.raises(ModelFileError, match="it holds no tensor"):
        load_model(path)


def test_weights_of_isr_discriminator_are_sent_where_they_belong(
    maker: Any, tmp_path: Path
) -> None:
    layers = {"Conv_1": (3, 3, 3, 64), "Dense_1024": (1, 1, 512, 1024), "Dense_last": (1, 1, 4, 1)}
    path = maker.write(tmp_path / "discr.hdf5", layers, maker.random_tensors(layers))
    with pytest.raises(ModelFileError, match=r"use Discriminator\(...\).model.load_weights"):
        load_model(path)


def test_weights_that_keras_3_saved_are_told_apart(tmp_path: Path) -> None:
    RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}).model.save_weights(tmp_path / "a.weights.h5")
    renamed = (tmp_path / "a.weights.h5").rename(tmp_path / "a.h5")
    refused(renamed, "holds weights that Keras 3 saved, without the network")


CHANGES: list[Any] = [
    (["F_1_2/kernel"], {}, r"missing: F_1_2/kernel \(3, 3, 10, 4\)\. "),
    (["F_1_2/bias", "SR/bias"], {}, r"missing: F_1_2/bias \(4,\), SR/bias \(3,\)\. "),
    ([], {"F_1_2/scale": (4,)}, r"not known: F_1_2/scale \(4,\)\. "),
    ([], {"F_3_1/kernel": (3, 3, 6, 4)}, "missing: F_3_1/bias"),
    ([], {"UPN2/kernel": (5, 5, 64, 32)}, r"UPN2/kernel \(5, 5, 64, 32\), which should be \(3"),
    ([], {"GFF_1/kernel": (1, 1, 18, 6)}, r"GFF_1/kernel \(1, 1, 18, 6\), which should be \(1"),
    (["F_m1/kernel"], {}, r"missing: F_m1/kernel \(3, 3, 3, 6\)\. "),
    (["SR/kernel"], {}, r"missing: SR/kernel"),
    (["UPN3/kernel"], {}, "UPN3/kernel is missing, so the scale cannot be told"),
    ([], {"UPN3/kernel": (3, 3, 32, 15)}, "gives 15 channels, which is not 3 times the square"),
    ([], {"SR/kernel": (3, 3, 12, 1)}, "takes 3 channels and gives 1, which ISR builds by mistake"),
    (["F_1_1/kernel", "F_1_2/kernel", "F_2_1/kernel", "F_2_2/kernel"], {}, "has no dense block"),
]


@pytest.mark.parametrize(("left_out", "added", "match"), CHANGES)
def test_a_file_with_a_missing_an_extra_or_a_strange_tensor_is_refused_with_the_list(
    maker: Any, tmp_path: Path, left_out: list[str], added: dict[str, Any], match: str
) -> None:
    layers = maker.SMALL["rdn-x2"] | {name.split("/")[0]: None for name in added}
    tensors = maker.random_tensors(maker.SMALL["rdn-x2"])
    for name in left_out:
        del tensors[name]
    tensors |= {name: np.zeros(shape, np.float32) for name, shape in added.items()}
    path = maker.write(tmp_path / "changed.hdf5", layers, tensors)
    with pytest.raises(ModelFileError, match=match):
        load_model(path)
    with pytest.raises(ModelFileError):
        RDN({"C": 2, "D": 2, "G": 4, "G0": 6, "x": 2}).model.load_weights(path)


def test_a_tensor_that_is_no_number_is_refused(write: Any) -> None:
    path, _ = write("rdn-x2")
    with h5py.File(path, "a") as file:
        del file["SR/SR/bias:0"]
        file["SR/SR/bias:0"] = np.zeros(3, int)
    with pytest.raises(ModelFileError, match=r"missing: SR/bias.*not known: SR/SR/bias:0"):
        load_model(path)


def test_a_file_that_does_not_fit_changes_nothing(write: Any) -> None:
    path, _ = write("rdn-x2")
    rdn = RDN({"C": 2, "D": 2, "G": 4, "G0": 6, "x": 3})
    before = rdn.model.get_weights()
    with pytest.raises(ModelFileError, match="UPN3/kernel"):
        rdn.model.load_weights(path)
    for a, b in zip(before, rdn.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_the_wrong_class_is_refused(write: Any) -> None:
    path, _ = write("rrdn-x2")
    with pytest.raises(ModelFileError, match=r"use RRDN\(weights=...\)"):
        RDN(weights=str(path))
