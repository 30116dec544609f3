from __future__ import annotations

import numpy as np
import pytest

from src_models import load_model, model_names, read_description, upscale
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.registry import BUNDLED, find_model
from src_models.models.user_models import add_user_model, user_model_folder, user_models


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_ISR_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.slow
def test_a_model_that_was_added_is_one_of_the_named_ones(folder, rng):
    assert user_models() == {}
    source = find_model("microscopy-x2")
    path = add_user_model(source, " my cells ", summary="For cells.", training={"trained_on": "7"})
    assert path == folder / "my cells.keras" == find_model("my cells")
    assert model_names()[0] == "microscopy-x2"
    assert model_names()[len(BUNDLED)] == "my cells"
    description = read_description(path)
    assert (description.name, description.summary) == ("my cells", "For cells.")
    assert description.training["trained_on"] == "7"
    assert description.training["curve"] == read_description(source).training["curve"]
    image = rng.integers(0, 255, (12, 14)).astype(np.uint8)
    np.testing.assert_array_equal(upscale(image, "my cells"), upscale(image, load_model(source)))


@pytest.mark.parametrize("name", ["", "  ", "a/b", "..", "../up", "x" * 80, "a\nb", "-x"])
def test_names_that_files_cannot_have_are_refused(name):
    with pytest.raises(InvalidInputError, match="name of a model"):
        add_user_model(find_model("microscopy-x2"), name)
    assert user_models() == {}


@pytest.mark.parametrize("name", ["microscopy-x2", " photo-x2 ", "psnr-small"])
def test_names_that_everybody_has_are_refused(name):
    with pytest.raises(InvalidInputError, match="everybody has"):
        add_user_model(find_model("microscopy-x2"), name)
    assert user_models() == {}


def test_a_model_is_never_overwritten(folder):
    add_user_model(find_model("microscopy-x2"), "mine")
    before = (folder / "mine.keras").read_bytes()
    with pytest.raises(ModelFileError, match="already"):
        add_user_model(find_model("microscopy-x2"), "mine", summary="other")
    assert (folder / "mine.keras").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_explained(folder):
    folder.write_text("a file in its place")
    with pytest.raises(ModelFileError, match="cannot be written"):
        add_user_model(find_model("microscopy-x2"), "mine")


def test_without_the_variable_the_folder_is_the_platforms(monkeypatch):
    monkeypatch.delenv("NAPARI_ISR_MODELS")
    assert user_model_folder().parts[-2:] == ("napari-isr", "models")
