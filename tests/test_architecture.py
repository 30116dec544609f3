"""Dependencies point one way; the contracts are in pyproject.toml."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("src_models/*.py"), *ROOT.glob("napari_isr/*.py")])


def test_imports_keep_to_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_only_our_own_errors_are_raised_and_none_a_runtime_error(path: Path) -> None:
    """A RuntimeError inside a worker would be swallowed, and the widget would wait for ever."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert ast.unparse(node.exc.func) != "RuntimeError", f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "print", f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom | ast.Import) and path.parent.name == "src_models":
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            backends = {"tensorflow", "torch", "jax"}
            assert not {n.partition(".")[0] for n in names} & backends, f"line {node.lineno}"
