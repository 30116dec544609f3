"""Dependencies point one way; the contracts are in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("src_models/**/*.py"), *ROOT.glob("napari_isr/**/*.py")])


def test_imports_keep_to_the_contracts() -> None:
    # In a process of its own: it silences all logs of the one it runs in.
    code = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_our_own_errors_are_raised_and_none_a_runtime_error(path: Path) -> None:
    """A RuntimeError inside a worker would be swallowed, and the widget would wait for ever."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert ast.unparse(node.exc.func) != "RuntimeError", f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "print", f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom | ast.Import) and path.is_relative_to(
            ROOT / "src_models"
        ):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            backends = {"tensorflow", "torch", "jax"}
            assert not {n.partition(".")[0] for n in names} & backends, f"line {node.lineno}"
