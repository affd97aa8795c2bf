"""Committed chapters hold no outputs, read as prose, and take what params.yaml gives them."""

import ast
import re
import statistics

import nbformat
import pytest

from embedstudy.core import catalogue, paths
from embedstudy.core.schema import read
from embedstudy.pipeline.chapters import PARAMETER, settings_class

WORDS_PER_LINE = 6
LINES_PER_CELL = 10


def load(chapter):
    notebook = nbformat.read(paths.NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return notebook, code


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


@pytest.fixture(params=[one.notebook for one in catalogue.chapters()])
def chapter(request):
    return request.param


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


def test_it_has_one_settings_object_that_the_pipeline_replaces(chapter):
    _, code = load(chapter)
    (tagged,) = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    (statement,) = ast.parse(tagged.source).body
    assert statement.targets[0].id == PARAMETER
    values = ast.literal_eval(statement.value)
    read(settings_class(catalogue.find(chapter)), values, "parameters: ")
    assert sum("notebook.settings(" in cell.source for cell in code) == 1
