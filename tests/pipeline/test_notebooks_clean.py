"""Committed chapters hold no outputs, read as prose, and take what params.yaml gives them."""

import ast
import re
import statistics

import nbformat
import pytest

from embedstudy.core import params, paths

WORDS_PER_LINE = 6
LINES_PER_CELL = 10


def load(chapter):
    notebook = nbformat.read(paths.NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return notebook, code


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


@pytest.fixture(params=params.chapters())
def chapter(request):
    return request.param


def test_every_notebook_of_the_folder_is_a_chapter():
    on_disk = [p for p in paths.NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    assert len(params.chapters()) == len(on_disk)
    numbers = [re.match(r"\d\d-", path.name) for path in on_disk]
    assert all(numbers)


def test_it_is_committed_without_outputs_and_stamps(chapter):
    notebook, code = load(chapter)
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count is not None]
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert not [cell.id for cell in notebook.cells if set(cell.metadata) - {"tags", "jupyter"}]


def test_its_kernel_is_python3_and_its_ids_are_given_by_its_author(chapter):
    notebook, _ = load(chapter)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if re.fullmatch(r"(?=.*\d)[0-9a-f]{8}", name)], "random ids"


def test_its_cells_are_short_and_prose_outweighs_code(chapter):
    notebook, code = load(chapter)
    sizes = [len(lines(cell)) for cell in code]
    assert statistics.median(sizes) <= LINES_PER_CELL
    prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert len(prose.split()) >= WORDS_PER_LINE * sum(sizes)


def test_it_defines_no_function_that_a_test_could_hold(chapter):
    _, code = load(chapter)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = [
        node.name
        for cell in code
        for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*$", "", cell.source)))
        if isinstance(node, kinds)
    ]
    assert defined == []


def test_it_takes_what_every_profile_gives_it(chapter):
    _, code = load(chapter)
    tagged = [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])]
    sections = params.load()["quick"]
    assert len(tagged) == (params.section_name(chapter) in sections)
    for profile in params.PROFILES:
        params.chapter_parameters(chapter, profile)
