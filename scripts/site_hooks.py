"""What MkDocs asks while it builds the site: notebooks as pages, and links that leave ``docs``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from notebooks import NOTEBOOKS, up_to_date

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
# Pages that are made of files outside of docs/.
_PAGES = {"CHANGELOG.md": "changes.md", "README.md": "index.md"}
_PAGES |= {f"examples/{path.name}": f"tutorials/{path.stem}.md" for path in NOTEBOOKS}
_LEAVING = re.compile(r"\]\(\.\./([^)#\s]+)")
_COLOURED = re.compile(r"\x1b\[[0-9;]*m")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks with their output, the changelog, and the files that pages link to."""
    files.append(File.generated(config, "changes.md", abs_src_path=str(ROOT / "CHANGELOG.md")))
    for path in NOTEBOOKS:
        for file in _notebook_files(path, config):
            files.append(file)
    for page in sorted((ROOT / "docs").glob("*.md")):
        for name in _LEAVING.findall(page.read_text(encoding="utf-8")):
            uri, source = f"files/{name}", ROOT / name
            is_new = name not in _PAGES and files.get_file_from_path(uri) is None
            if is_new and source.is_file():
                files.append(File.generated(config, uri, abs_src_path=str(source)))
    return files


def _notebook_files(path: Path, config: MkDocsConfig) -> list[File]:
    notebook = nbformat.read(up_to_date(path), as_version=4)
    for cell in notebook.cells:
        # What libraries tell of themselves is of interest to nobody.
        told = cell.get("outputs", [])
        cell["outputs"] = [output for output in told if output.get("name") != "stderr"]
    resources: dict[str, Any] = {"unique_key": path.stem, "output_files_dir": path.stem}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    source = f"[This page as a notebook](../files/examples/{path.name})\n"
    pages = [
        File.generated(config, f"tutorials/{path.stem}.md", content=f"{text}\n\n{source}"),
        File.generated(config, f"files/examples/{path.name}", abs_src_path=str(path)),
    ]
    for name, content in resources["outputs"].items():
        pages.append(File.generated(config, f"tutorials/{name}", content=content))
    return pages


def on_page_markdown(markdown: str, page: Any, **_others: Any) -> str:
    """Lead links that leave ``docs`` to where the site has what they name."""
    if page.file.src_uri.startswith("tutorials/"):
        text = _COLOURED.sub("", markdown).replace("](../docs/", "](../")
        return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text)
    if page.file.src_uri == "changes.md":
        return markdown.replace("](docs/", "](")
    return _LEAVING.sub(lambda link: f"]({_PAGES.get(link[1], f'files/{link[1]}')}", markdown)
