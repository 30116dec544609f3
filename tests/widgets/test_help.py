"""The help window shows the pages of the site, which are written for another reader of Markdown."""

from __future__ import annotations

import re

import pytest
from qtpy.QtCore import QUrl

from napari_isr.widgets.shared.help import FOLDER, HelpPages, for_qt

PAGES = sorted(path.name for path in FOLDER.glob("*.md"))
LINKS = sorted(
    {
        (page, link)
        for page in PAGES
        for link in re.findall(
            r"\]\(((?:[\w-]+\.md)?#[\w-]+)\)", (FOLDER / page).read_text(encoding="utf-8")
        )
    }
)


@pytest.fixture
def shown(qtbot):
    def show(page):
        window = HelpPages(page.removesuffix(".md"))
        qtbot.addWidget(window)
        window.show()
        qtbot.waitExposed(window)
        return window

    return show


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_sites_builder_is_left(shown, page):
    assert not re.search(r"^(===|!!!|:::|<!--)", shown(page).toPlainText(), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_to_a_heading_brings_it_into_view(shown, page, link):
    window = shown(page)
    window.resize(500, 200)
    window.follow(QUrl(link))
    cursor = window.cursorForPosition(window.viewport().rect().topLeft())
    bar = window.verticalScrollBar()
    heading = cursor.block().text() or cursor.block().next().text()
    words = re.sub(r"\W+", "-", heading.lower()).strip("-")
    assert words == link.partition("#")[2] or bar.value() == bar.maximum() > 0


def test_tabs_become_parts_with_a_title():
    page = '=== "Linux"\n\n    ```sh\n    run\n    ```\n\n=== "Other"\n\n    Words.\n\nEnd.\n'
    expected = "**Linux**\n\n```sh\nrun\n```\n\n\n**Other**\n\nWords.\n\n\nEnd.\n"
    assert for_qt(page) == expected
