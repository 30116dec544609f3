"""Run the notebooks of ``examples`` and keep what they answered in ``.notebooks``.

``python scripts/notebooks.py`` runs those whose answers are older than the notebook or the code.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
ANSWERED = ROOT / ".notebooks"
_MOST_SECONDS_OF_A_CELL = 120


def run(path: Path) -> Path:
    """Run a notebook from top to bottom in an empty folder; return the file with its output.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises; the message has the cell and the traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    folder = ANSWERED / "work" / path.stem / str(time.time_ns())
    folder.mkdir(parents=True)
    # The kernel is a process of its own: it must find this copy, and not the user's models.
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {
        "PYTHONPATH": search,
        "NAPARI_ISR_MODELS": str(folder / "models"),
        # Taking turns with Qt the kernel may miss a cell and wait for ever.
        "NAPARI_APPLICATION_IPY_INTERACTIVE": "0",
    }
    client = NotebookClient(
        notebook,
        timeout=_MOST_SECONDS_OF_A_CELL,
        kernel_name="python3",
        coalesce_streams=True,  # what is printed line by line in one block
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)
    answered = ANSWERED / path.name
    nbformat.write(notebook, answered)
    return answered


def up_to_date(path: Path) -> Path:
    """Return the file with the output of a notebook, which is run if something changed since."""
    answered = ANSWERED / path.name
    code = [*(ROOT / "src_models").glob("*.py"), *(ROOT / "napari_isr").glob("*.py"), path]
    if answered.exists() and answered.stat().st_mtime > max(x.stat().st_mtime for x in code):
        return answered
    return run(path)


if __name__ == "__main__":
    for notebook in NOTEBOOKS:
        up_to_date(notebook)
