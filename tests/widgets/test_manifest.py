from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_isr import _sample_data

ROOT = Path(__file__).parents[2]


def run_fresh(code):
    """Run code in a fresh interpreter; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.mark.slow
def test_the_manifest_is_valid_and_its_commands_import():
    manifest = PluginManifest.from_distribution("napari-isr")
    manifest.validate_imports()
    names = [w.display_name for w in manifest.contributions.widgets]
    assert names == ["Upscale", "Train", "Batch", "Compare"]
    assert "napari/layers/filter" in manifest.contributions.menus


def test_the_manifest_in_the_package_is_the_one_at_the_top():
    assert (ROOT / "napari_isr" / "napari.yaml").read_text() == (ROOT / "napari.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("embl_plant_12bit", (256, 256), np.uint16),
        ("skimage_skin", (256, 320, 3), np.uint8),
        ("diatom_025", (348, 512), np.uint8),
    ],
)
def test_samples_open(name, shape, dtype):
    [(pixels, attributes, kind)] = getattr(_sample_data, name)()
    assert (pixels.shape, pixels.dtype, kind) == (shape, dtype, "image")
    assert attributes["name"] == name


def test_opening_the_widgets_imports_no_backend():
    loaded = run_fresh(
        "import sys, napari, napari_isr\n"
        "from npe2 import PluginManager\n"
        "PluginManager.instance().discover()\n"
        "viewer = napari.Viewer()\n"
        "viewer.open_sample('napari-isr', 'embl_plant_12bit')\n"
        "for name in ('Upscale', 'Train', 'Batch', 'Compare'):\n"
        "    viewer.window.add_plugin_dock_widget('napari-isr', name)\n"
        "heavy = ('keras', 'tensorflow', 'torch', 'jax', 'pyqtgraph')\n"
        "print(*[m for m in heavy if m in sys.modules])\n"
        "viewer.close()\n"
    )
    assert loaded == []


@pytest.mark.parametrize("first", ["window", "backend"])
@pytest.mark.slow
def test_the_backend_and_a_window_live_in_one_process(first):
    window = "import napari; viewer = napari.Viewer(); napari.qt.get_qapp().processEvents()\n"
    backend = (
        "from src_models import RDN; import numpy\nRDN().predict(numpy.zeros((9, 9, 3), 'u1'))\n"
    )
    steps = [window, backend] if first == "window" else [backend, window]
    assert run_fresh("".join(steps) + "viewer.close(); print('alive')") == ["alive"]


@pytest.mark.slow
def test_the_backend_may_be_imported_in_a_thread_that_ends():
    assert run_fresh(
        "from qtpy.QtCore import QCoreApplication, QRunnable, QThreadPool\n"
        "application, pool = QCoreApplication([]), QThreadPool()\n"
        "pool.setMaxThreadCount(1)\n"
        "class Job(QRunnable):\n"
        "    def run(self):\n"
        "        import numpy\n"
        "        from src_models import RDN\n"
        "        RDN().predict(numpy.zeros((9, 9, 3), 'u1'))\n"
        "        print('ran')\n"
        "for _ in range(2):\n"
        "    pool.start(Job())\n"
        "    pool.waitForDone()\n"
    ) == ["ran", "ran"]
