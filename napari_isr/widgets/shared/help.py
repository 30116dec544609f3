"""The pages of the documentation, in a window of their own: they come with the package."""

from __future__ import annotations

import re
from pathlib import Path

from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices, QImage, QTextDocument
from qtpy.QtWidgets import QPushButton, QTextBrowser, QWidget

FOLDER = Path(__file__).parents[2] / "pages"
_SIZE = QSize(760, 720)
_PICTURE_WIDTH = 680
# The site shows one of both; ours has no themes.
_OTHER_THEME = re.compile(r"^!\[.*#only-dark\)\n", re.MULTILINE)
# What only the site's builder knows: blocks in tabs and boxes, and the reference from docstrings.
_BLOCK = re.compile(r'^(?:===|!!!|\?\?\?)(?: \w+)? "(.+)"\n\n?((?:(?: {4}.*)?\n)+)', re.MULTILINE)
_REFERENCE = re.compile(r"^::: ([\w.]+)(\n {4,}.*)*$", re.MULTILINE)
# Links to files that do not come with the package.
_ELSEWHERE = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|[\w-]+\.md)[^)]+\)")
_COMMENT = re.compile(r"^ *<!--.*?-->\n", re.MULTILINE)


class HelpPages(QTextBrowser):
    """Shows a page; links lead to other pages here, and to the web in a browser.

    Parameters
    ----------
    page : str
        Such as ``"upscale"``.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.setWindowTitle("napari-isr: help")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setOpenLinks(False)
        self.anchorClicked.connect(self.follow)
        self.resize(_SIZE)
        self.follow(QUrl(f"{page}.md"))

    def follow(self, link: QUrl) -> None:
        """Show the page of a link, or give it to the system's browser."""
        name = link.path().removeprefix("./")
        if not link.scheme() and name.endswith(".md") and (FOLDER / name).is_file():
            self.show_page(name)
            self._scroll_to(link.fragment())
        elif link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
        elif not name and link.hasFragment():
            self._scroll_to(link.fragment())

    def show_page(self, name: str) -> None:
        """Show a page of the folder, such as ``"upscale.md"``."""
        text = (FOLDER / name).read_text(encoding="utf-8")
        self.setMarkdown(for_qt(text))

    def _scroll_to(self, fragment: str) -> None:
        """Bring the heading of a link into view; Qt's reader of Markdown makes no anchors."""
        document, bar = self.document(), self.verticalScrollBar()
        block = document.begin() if document is not None else None
        while fragment and block is not None and block.isValid():
            if block.blockFormat().headingLevel() and _anchor(block.text()) == fragment:
                layout = document.documentLayout() if document is not None else None
                if layout is not None and bar is not None:
                    bar.setValue(int(layout.blockBoundingRect(block).top()))
                return
            block = block.next()

    def loadResource(self, kind: int, name: QUrl) -> object:
        """Find a picture beside the pages, as wide as fits."""
        path = FOLDER / name.path()
        if kind == QTextDocument.ResourceType.ImageResource.value and path.is_file():
            picture = QImage(str(path))
            if picture.width() > _PICTURE_WIDTH:
                smooth = Qt.TransformationMode.SmoothTransformation
                picture = picture.scaledToWidth(_PICTURE_WIDTH, smooth)
            return picture
        return super().loadResource(kind, name)


def for_qt(text: str) -> str:
    """Return a page of the site as Markdown that Qt can show."""
    text = _COMMENT.sub("", _OTHER_THEME.sub("", text))
    text = _BLOCK.sub(lambda m: f"**{m[1]}**\n\n{re.sub('(?m)^ {4}', '', m[2])}\n", text)
    text = _REFERENCE.sub(r"- `\1`: see `help(\1)` in Python", text)
    return _ELSEWHERE.sub(r"\1", text)


def _anchor(heading: str) -> str:
    """Return how the site's builder calls a heading in links."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def help_link(page: str) -> QWidget:
    """Return a button that opens a page of the documentation.

    Parameters
    ----------
    page : str
        Such as ``"upscale"``.
    """
    button = QPushButton("Help")
    button.setToolTip("How this works, step by step: opens the page of this widget.")
    shown: list[HelpPages] = []

    def show() -> None:
        shown[:] = [HelpPages(page)]
        shown[0].destroyed.connect(shown.clear)
        shown[0].show()

    button.clicked.connect(show)
    return button
