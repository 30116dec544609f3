"""What the program says of itself: tooltips, help, and what to do first."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QScrollBar,
)

from napari_isr.widgets.batch.widget import BatchWidget
from napari_isr.widgets.compare.widget import CompareWidget
from napari_isr.widgets.shared.help import FOLDER, HelpPages
from napari_isr.widgets.shared.layout import Fold
from napari_isr.widgets.train.widget import TrainWidget
from napari_isr.widgets.upscale.widget import UpscaleWidget
from src_models import describe_model

WIDGETS = {
    "upscale": UpscaleWidget,
    "train": TrainWidget,
    "batch": BatchWidget,
    "compare": CompareWidget,
}
SETTINGS = (
    QComboBox,
    QAbstractSpinBox,
    QAbstractSlider,
    QLineEdit,
    QListWidget,
    QAbstractButton,
)


@pytest.fixture(params=WIDGETS)
def page(request):
    return request.param


@pytest.fixture
def docked(page, make_napari_viewer):
    viewer = make_napari_viewer()
    widget = WIDGETS[page](viewer)
    viewer.window.add_dock_widget(widget, name=page)
    return getattr(widget, "native", widget)


def tooltip(setting, widget):
    """What is shown when the pointer rests on it: its own words, or those of what it is part of."""
    while setting is not None and setting is not widget:
        if setting.toolTip():
            return setting.toolTip()
        setting = setting.parentWidget()
    return ""


@pytest.mark.slow
def test_every_setting_says_what_it_does(docked):
    settings = [child for kind in SETTINGS for child in docked.findChildren(kind)]
    assert len(settings) > 10
    for setting in settings:
        is_title = isinstance(setting.parentWidget(), Fold)
        is_part = isinstance(setting, QScrollBar) or setting.objectName().startswith("qt_")
        if not is_title and not is_part:
            text = getattr(setting, "text", getattr(setting, "currentText", str))()
            assert len(tooltip(setting, docked)) > 10, (type(setting).__name__, text)


def test_the_help_button_opens_the_page_of_the_widget(docked, page, qtbot):
    button = next(b for b in docked.findChildren(QPushButton) if b.text() == "Help")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    shown = next(w for w in QApplication.topLevelWidgets() if isinstance(w, HelpPages))
    assert shown.isVisible()
    assert shown.toPlainText().lower().startswith(page)
    shown.close()
    qtbot.waitUntil(lambda: not any(isinstance(w, HelpPages) for w in QApplication.allWidgets()))


def test_links_of_a_page_lead_to_other_pages_and_to_the_web(qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    pages = HelpPages("upscale")
    qtbot.addWidget(pages)
    pages.follow(QUrl("models.md#microscopy-x2"))
    assert pages.toPlainText().startswith("Models")
    pages.follow(QUrl("https://napari.org"))
    assert opened == [QUrl("https://napari.org")]
    pages.follow(QUrl("nowhere.md"))
    assert pages.toPlainText().startswith("Models")


def test_pages_and_their_pictures_come_with_the_package():
    assert {f"{page}.md" for page in WIDGETS} <= {path.name for path in FOLDER.iterdir()}
    assert (FOLDER / "images" / "upscale-light.png").is_file()


@pytest.mark.parametrize("page", ["upscale", "train", "batch"], indirect=True)
def test_the_model_list_says_what_each_model_is_for(docked):
    lists = [box for box in docked.findChildren(QComboBox) if box.findText("photo-x2") >= 0]
    assert len(lists) == 1
    place = lists[0].findText("photo-x2")
    words = lists[0].itemData(place, Qt.ItemDataRole.ToolTipRole)
    assert words.replace("\n", " ") == describe_model("photo-x2").summary


def test_an_empty_window_says_what_to_do_first(docked, page):
    said = " ".join(label.text() for label in docked.findChildren(QLabel) if label.text())
    first = {
        "upscale": "Open an image",
        "train": "Choose the high-resolution images: open layers",
        "batch": "choose a folder of images",
        "compare": "First open an image, and upscale it",
    }
    assert first[page] in said


@pytest.mark.slow
def test_the_list_of_files_gets_the_height_whatever_was_opened_before(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 900)
    for _ in range(3):
        viewer.window.add_dock_widget(UpscaleWidget(viewer), name="upscale", tabify=True)
    batch = BatchWidget(viewer)
    viewer.window.add_dock_widget(batch, name="batch", tabify=True).raise_()
    QApplication.processEvents()
    below = batch.height() - batch.save_report.native.mapTo(batch, QPoint(0, 0)).y()
    assert below < 60


def test_training_begins_with_what_was_recorded_and_not_with_a_result(make_napari_viewer):
    viewer = make_napari_viewer()
    recorded = viewer.add_image(np.zeros((20, 30), np.uint8), name="cells")
    viewer.add_image(np.zeros((40, 60), np.uint8), metadata={"napari-isr": {}})
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="train")
    assert widget.images.layers.value == [recorded]
