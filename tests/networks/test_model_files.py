"""Model files: what is saved comes back bit by bit, and what is no model file is told so."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src_models import RDN, RRDN, ModelDescription, load_model, read_description
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.config import RDNConfig
from src_models.models.description import FORMAT, MEMBER
from src_models.networks.backend import keras

BOTH = pytest.mark.parametrize("kind", ["rdn", "rrdn"])
IMAGE = np.random.default_rng(0).random((1, 9, 8, 3), np.float32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tiny_network: Callable[..., Any]) -> Path:
    path: Path = tiny_network("rdn", 1).save(tmp_path_factory.mktemp("models") / "good")
    return path


def rewritten(path: Path, folder: Path, **members: bytes | str | None) -> Path:
    """Copy a model file with some members changed, or left out for None."""
    names = {"description": MEMBER, "config": "config.json", "weights": "model.weights.h5"}
    changes = {names[key]: value for key, value in members.items()}
    copy = folder / "changed.keras"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = changes.pop(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return copy


def description_of(path: Path, **changes: Any) -> str:
    record = {**json.loads(read_description(path).to_json()), **changes}
    return json.dumps(record)


def assert_refused(path: Path | str, match: str) -> str:
    """Both doors say the same, in one line."""
    with pytest.raises(ModelFileError, match=match) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert ": " in message  # what to do
    return message


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.slow
def test_what_is_saved_comes_back_bit_by_bit(
    tmp_path: Path, tiny_network: Callable[..., Any], kind: str, channels: int
) -> None:
    network = tiny_network(kind, channels)
    loaded = load_model(network.save(tmp_path / "model.keras"))
    assert type(loaded) is type(network)
    assert loaded.description == network.description
    image = IMAGE[..., :channels]
    np.testing.assert_array_equal(loaded.model.predict(image), network.model.predict(image))


@pytest.mark.parametrize(
    "network",
    [
        lambda: RDN({"C": 1, "D": 1, "G": 4, "G0": 6, "x": 4}, c_dim=2, kernel_size=5),
        lambda: RRDN({"C": 1, "D": 2, "G": 4, "G0": 6, "T": 1, "x": 1}, beta=0.7, kernel_size=1),
        lambda: RRDN({"C": 2, "D": 1, "G": 3, "G0": 5, "T": 2, "x": 2}, c_dim=5, beta=1),
    ],
)
def test_every_setting_is_kept(tmp_path: Path, network: Callable[[], Any]) -> None:
    built = network()
    loaded = load_model(built.save(tmp_path / "m"))
    assert loaded.config == built.config
    image = np.resize(IMAGE, (1, 5, 6, built.c_dim))
    np.testing.assert_array_equal(loaded.model.predict(image), built.model.predict(image))


def test_the_description_is_kept_and_read_without_the_network(tmp_path: Path) -> None:
    network = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1)
    record = {"images": 12, "psnr": 31.5, "folders": ["a", "b"], "settings": {"rate": 1e-4}}
    words = {"name": "mine", "summary": "For ÄÖ and 細胞.", "intensity": "measured", "overlap": 9}
    network.describe(**words, training=record)
    description = read_description(network.save(tmp_path / "m"))
    assert description == network.description
    assert (description.scale, description.channels) == (2, 1)
    assert "x2, 1 channel" in description.in_words
    assert description.in_words.endswith("細胞.")


def test_the_suffix_is_appended_and_home_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_network: Callable[..., Any]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    written = tiny_network().save("~/new/v1.2")
    assert written == tmp_path / "new" / "v1.2.keras"
    assert load_model("~/new/v1.2.keras").scale == 2


@pytest.mark.slow
def test_plain_keras_opens_the_files(tmp_path: Path, tiny_network: Callable[..., Any]) -> None:
    networks = {kind: tiny_network(kind, 3) for kind in ("rdn", "rrdn")}
    for kind, network in networks.items():
        network.save(tmp_path / kind)
    np.save(tmp_path / "image.npy", IMAGE)
    script = (
        "import sys, src_models, keras, numpy as np\n"
        "for kind in ('rdn', 'rrdn'):\n"
        "    model = keras.models.load_model(f'{sys.argv[1]}/{kind}.keras')\n"
        "    answer = model.predict(np.load(f'{sys.argv[1]}/image.npy'), verbose=0)\n"
        "    np.save(f'{sys.argv[1]}/{kind}.npy', answer)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
    for kind, network in networks.items():
        output = np.load(tmp_path / f"{kind}.npy")
        np.testing.assert_array_equal(output, network.model.predict(IMAGE, verbose=0))


@pytest.mark.slow
def test_weights_may_be_given_to_the_class_that_they_are_of(saved: Path) -> None:
    rdn = RDN(weights=str(saved))
    np.testing.assert_array_equal(
        rdn.model.predict(IMAGE[..., :1]), load_model(saved).model.predict(IMAGE[..., :1])
    )
    assert rdn.params == load_model(saved).params
    with pytest.raises(ModelFileError, match=r"kind RDN: use RDN\(weights="):
        RRDN(weights=str(saved))
    with pytest.raises(ModelFileError, match="neither"):
        RDN(weights="no-such-model")


class TestRefusals:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        message = assert_refused(tmp_path / "absent.keras", "neither")
        assert "absent.keras" in message
        with pytest.raises(ModelFileError, match=r"no model file .*absent.*check the path"):
            read_description(tmp_path / "absent.keras")

    def test_a_folder(self, tmp_path: Path) -> None:
        assert_refused(tmp_path, "neither")

    @pytest.mark.parametrize("content", [b"", b"hello, world\n" * 99, b"\x89PNG\r\n", b"\x89HDF"])
    def test_a_renamed_file_of_another_kind(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "notes.keras"
        path.write_bytes(content)
        assert_refused(path, r"'notes.keras' is not a napari-isr model file, or it is damaged")

    @pytest.mark.parametrize("part", [0.01, 0.3, 0.9, 0.999])
    def test_a_truncated_file(self, tmp_path: Path, saved: Path, part: float) -> None:
        content = saved.read_bytes()
        path = tmp_path / "cut.keras"
        path.write_bytes(content[: int(len(content) * part)])
        assert_refused(path, r"'cut.keras'.*damaged.*copy it again")

    @pytest.mark.slow
    def test_a_damaged_byte_anywhere(self, tmp_path: Path, saved: Path) -> None:
        """Either it is told, or it does no harm."""
        content = saved.read_bytes()
        path = tmp_path / "flipped.keras"
        plain = np.asarray(load_model(saved).model(IMAGE[..., :1]))
        rng = np.random.default_rng(0)
        ends = [*range(0, 60, 20), *range(len(content) - 400, len(content), 45)]
        for position in [*rng.integers(0, len(content), 5), *ends]:
            damaged = bytearray(content)
            damaged[position] ^= 0xFF
            path.write_bytes(damaged)
            with contextlib.suppress(ModelFileError):
                loaded = load_model(path)
                np.testing.assert_array_equal(loaded.model(IMAGE[..., :1]), plain)

    def test_a_keras_file_that_we_did_not_write(self, tmp_path: Path) -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.save(tmp_path / "dense.keras")
        assert_refused(tmp_path / "dense.keras", "without the member napari-isr.json")

    @pytest.mark.parametrize("member", ["config", "weights"])
    def test_a_file_that_lacks_a_member(self, tmp_path: Path, saved: Path, member: str) -> None:
        assert_refused(rewritten(saved, tmp_path, **{member: None}), "without the member")

    @pytest.mark.parametrize("content", ["", "{", "[" * 10**5, b"\xff\xfe\x00"])
    @pytest.mark.parametrize("member", ["config", "description"])
    def test_a_member_that_cannot_be_read(
        self, tmp_path: Path, saved: Path, member: str, content: str | bytes
    ) -> None:
        assert_refused(rewritten(saved, tmp_path, **{member: content}), "changed.keras")

    @pytest.mark.parametrize(
        "changes",
        [
            {"format": {}},
            {"config": {}},
            {"config": None},
            {"config": {"network": "vgg"}},
            {"config": {"network": "rdn", "C": 1}},
            {"intensity": "16-bit"},
            {"overlap": -1},
            {"overlap": 1.5},
            {"overlap": "12"},
            {"name": 3},
            {"summary": None},
            {"training": 5},
            {"surprise": 1},
            {"format": "one"},
            {"format": None},
        ],
    )
    def test_a_description_that_does_not_fit(
        self, tmp_path: Path, saved: Path, changes: dict[str, Any]
    ) -> None:
        text = description_of(saved, **changes)
        assert_refused(rewritten(saved, tmp_path, description=text), "cannot be used")

    def test_a_newer_format(self, tmp_path: Path, saved: Path) -> None:
        text = description_of(saved, format=FORMAT + 1, something="new")
        assert_refused(rewritten(saved, tmp_path, description=text), "newer.*update napari-isr")

    @pytest.mark.parametrize("change", [{"G": 9}, {"G0": 9}, {"C": 3}, {"D": 3}, {"x": 3}])
    def test_weights_of_other_shapes(
        self, tmp_path: Path, saved: Path, change: dict[str, int]
    ) -> None:
        config = json.loads(read_description(saved).to_json())["config"] | change
        text = description_of(saved, config=config)
        assert_refused(rewritten(saved, tmp_path, description=text), r"weights in 'changed.keras'")

    def test_weights_of_which_some_would_be_left_over(self, tmp_path: Path) -> None:
        settings = {"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}
        long = RRDN({**settings, "T": 3}, c_dim=4, kernel_size=3)
        short = replace(long.config, T=1)
        path = long.save(tmp_path / "long")
        config = {"network": "rrdn", **short.arch_params, "c_dim": 4, "kernel_size": 3, "beta": 0.2}
        text = description_of(path, config=config)
        assert_refused(rewritten(path, tmp_path, description=text), "weights")

    def test_weights_of_another_file_format(self, tmp_path: Path, saved: Path) -> None:
        assert_refused(rewritten(saved, tmp_path, weights=b"text"), "weights in 'changed.keras'")

    def test_a_lambda_layer(self, tmp_path: Path, saved: Path) -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])
        model.save(tmp_path / "lambda.keras")
        with zipfile.ZipFile(tmp_path / "lambda.keras") as archive:
            path = rewritten(saved, tmp_path, config=archive.read("config.json"))
        assert_refused(path, "holds code or foreign layers.*never run")

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"),
            ("builtins", "eval"),
            ("kerasx.layers", "Conv2D"),
            ("somewhere.layers", "Evil"),
            ("keras.layers", "Lambda"),
            ("builtins", "__lambda__"),
        ],
    )
    def test_a_layer_of_another_module(
        self, tmp_path: Path, saved: Path, module: str, name: str
    ) -> None:
        with zipfile.ZipFile(saved) as archive:
            config = json.loads(archive.read("config.json"))
        foreign = {"module": module, "class_name": name, "config": {}, "registered_name": name}
        config["config"]["layers"][1]["config"]["activation"] = foreign
        path = rewritten(saved, tmp_path, config=json.dumps(config))
        assert_refused(path, "code or foreign layers")


class TestSaving:
    def test_an_existing_file_is_replaced(
        self, tmp_path: Path, tiny_network: Callable[..., Any]
    ) -> None:
        path = tiny_network("rdn", 1, 2).save(tmp_path / "m")
        tiny_network("rdn", 1, 3).save(path)
        assert load_model(path).scale == 3
        assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]

    def test_a_failing_save_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, repeating: Callable[..., Any], tiny_network: Callable[..., Any]
    ) -> None:
        path = tiny_network().save(tmp_path / "m")
        before = path.read_bytes()
        with pytest.raises(AttributeError):
            repeating().save(path)  # has no Keras model to save
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]

    @pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.float32(1), {(1, 2): 3}])
    def test_a_record_that_is_no_json_is_refused(self, tmp_path: Path, value: object) -> None:
        network = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1)
        network.describe(training={"value": value})
        with pytest.raises(InvalidInputError, match="plain numbers, words"):
            network.save(tmp_path / "m")
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written_is_told(
        self, tmp_path: Path, tiny_network: Callable[..., Any]
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        (tmp_path / "folder.keras").mkdir()
        for path in (tmp_path / "file" / "m", tmp_path / "folder.keras", tmp_path / ("x" * 300)):
            with pytest.raises(ModelFileError, match=r"cannot be saved.*choose another folder"):
                tiny_network().save(path)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.keras"]


def test_a_description_says_in_words_what_the_model_is() -> None:
    config = RDNConfig(C=3, D=10, G=64, G0=64, x=2)
    words = ModelDescription(name="psnr", config=config, summary="For photos.").in_words
    assert words.startswith("x2, 3 channels (RGB), 2,620 thousand weights")
    assert words.endswith("For photos.")
