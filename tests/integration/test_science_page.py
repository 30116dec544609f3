"""The science page shows every bundled model's failures, and its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src_models.models.registry import BUNDLED

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "science.md").read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)


@pytest.mark.parametrize("name", sorted(BUNDLED))
@pytest.mark.slow
def test_each_bundled_model_shows_where_it_loses_and_what_it_invents(name):
    for kind in ("lost", "invented"):
        assert f"images/failures/{name}-{kind}.png" in PICTURES


@pytest.mark.parametrize("target", PICTURES)
def test_pictures_exist_and_are_small(target):
    assert (DOCS / target).stat().st_size <= 60_000


def test_every_reference_is_cited_and_every_citation_is_listed():
    text, listed = PAGE.split("## References")
    groups = re.findall(r"\[(\d+(?:, \d+)*)\]", text)
    cited = {int(number) for group in groups for number in group.split(", ")}
    assert cited == {int(number) for number in re.findall(r"^(\d+)\. ", listed, re.MULTILINE)}


def test_its_code_runs_as_printed(capsys):
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "science.md", "exec"), {})
    assert "range The image has 2 grey levels" in capsys.readouterr().out
