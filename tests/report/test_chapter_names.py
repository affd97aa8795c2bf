"""No module repeats what the catalogue lists: a new chapter is a line there, not an edit of lists."""

import ast
from pathlib import Path

import pytest

import embedstudy
from embedstudy.core import catalogue

LIB = Path(embedstudy.__file__).parent
# What shows or runs all chapters may not name one; elsewhere a chapter's name is a family or a folder.
ABOVE = ("figures", "pipeline", "report", "study/engine", "study/evidence")
GRIDS = [chapter for place in catalogue.PLACES for chapter in catalogue.of_place(place)]


def literals(path):
    """The strings of a module with their lines, docstrings included: none of them is only a key."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def modules(folder):
    return [path for path in (LIB / folder).rglob("*.py") if path.name != "catalogue.py"]


def test_no_module_spells_a_chapters_key_or_notebook():
    names = {chapter.key for chapter in GRIDS} | {one.notebook for one in catalogue.chapters()}
    spelled = [
        f"{path.relative_to(LIB)}:{line}: {text}"
        for path in modules(".")
        for line, text in literals(path)
        if text in names
    ]
    assert spelled == []


@pytest.mark.parametrize("folder", ABOVE)
def test_what_stands_above_the_places_names_none_of_their_chapters(folder):
    names = {chapter.name for chapter in GRIDS}
    spelled = [
        f"{path.relative_to(LIB)}:{line}: {text}"
        for path in modules(folder)
        for line, text in literals(path)
        if text in names
    ]
    assert spelled == []
