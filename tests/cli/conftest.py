"""The command: called in this process, or in one of its own as a shell runs it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

OWN_FOLDERS = ("NAPARI_ISR_MODELS", "NAPARI_ISR_CACHE", "KERAS_HOME")
ROOT = Path(__file__).parents[2]
# Whoever may read every file cannot be refused one.
_MAY_READ_ALL = hasattr(os, "geteuid") and os.geteuid() == 0
_WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.fixture(scope="session")
def command() -> list[str]:
    """Begin of a command line that runs ``napari-isr`` with the rights of ordinary people."""
    begin = [sys.executable, "-m", "napari_isr"]
    return [*_WITHOUT_RIGHTS, *begin] if _MAY_READ_ALL and shutil.which("setpriv") else begin


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Environment with folders of models of its own and no screen."""
    own = {
        "NAPARI_ISR_MODELS": str(tmp_path / "models"),
        "NAPARI_ISR_CACHE": str(tmp_path / "cache"),
        "KERAS_HOME": str(tmp_path / "keras"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return kept | own


@pytest.fixture
def isr(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call the command: ``isr("upscale", "a.png", "-o", "out")``, in an empty folder."""
    from napari_isr.cli.app import main

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = ["napari-isr", *map(str, arguments)]
        out, err, code = io.StringIO(), io.StringIO(), 0
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("default")  # as outside of tests
            for name in OWN_FOLDERS:
                patch.setenv(name, environment[name])
            patch.setenv("COLUMNS", environment["COLUMNS"])
            patch.setattr(sys, "argv", line)
            patch.chdir(tmp_path)
            try:
                with redirect_stdout(out), redirect_stderr(err):
                    main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return subprocess.CompletedProcess(line, code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def isr_process(command, environment, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as `isr` does, in a process with the rights of ordinary people."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *(str(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )

    return run
