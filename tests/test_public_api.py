"""The face of the library: small, exact, and free of cost until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import src_models

HEAVY = ("keras", "tensorflow", "torch", "jax", "scipy", "PIL", "h5py", "dask", "napari", "qtpy")


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after running code."""
    script = f"import sys\n{code}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_names_are_sorted_and_all_there() -> None:
    names = src_models.__all__
    assert len(set(names)) == len(names)
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert dir(src_models) == sorted(names)
    assert set(names) == set(src_models._HOME)


@pytest.mark.parametrize("name", src_models.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    value = getattr(src_models, name)
    assert value.__name__ == name
    assert value.__module__ == f"src_models.{src_models._HOME[name]}"
    assert value.__doc__


def test_what_the_library_does_is_all_there() -> None:
    assert {"RDN", "RRDN", "load_model", "upscale", "upscale_steps"} <= set(src_models.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'upscael'"):
        src_models.upscael  # noqa: B018


@pytest.mark.parametrize("package", ["src_models", "napari_isr"])
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    assert not modules_after(f"import {package}") & set(HEAVY)


def test_what_fills_the_widgets_imports_no_backend() -> None:
    names = (
        "images.axes images.io models.description models.registry engines.memory upscaling.tiles"
    )
    code = "\n".join(f"import src_models.{name}" for name in names.split())
    code += "\nimport src_models; src_models.model_names()"
    assert not modules_after(code) & {"keras", "tensorflow", "torch", "jax", "napari", "qtpy"}
