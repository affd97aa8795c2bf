"""Hostile notebooks: what executes a chapter, short of its kernel, and what normalises its end."""

import contextlib
import functools
import io
import os
import warnings
from pathlib import Path
from unittest import mock

import nbformat
import papermill

from embedstudy.checks.fuzz.judge import Case, Fault, Run, Target
from embedstudy.checks.fuzz.mutations import as_json, json_files
from embedstudy.checks.fuzz.settings_files import project
from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.pipeline import execute
from embedstudy.pipeline.normalise import normalise, to_bytes

CHAPTER = "00-a-chapter"
CATALOGUE = f"""\
chapters:
  reading:
    start_here: {{notebook: {CHAPTER}, settings: tables.settings:StartSettings}}
"""


@functools.cache
def _notebook(executed: bool) -> dict:
    """A chapter of three cells; executed, with outputs of every kind."""
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# A chapter"),
        new.new_code_cell("parameters = {}", metadata={"tags": ["parameters"]}),
        new.new_code_cell("print(parameters)"),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"c{number}"  # not at random
    if executed:
        cells[2].metadata = {"papermill": {"duration": 1.0}, "execution": {}}
        data = {"text/plain": "<object at 0x7f0012345678>", "text/html": "<b>1</b>"}
        cells[2].outputs = [
            new.new_output("stream", name="stdout", text="one\n"),
            new.new_output("stream", name="stdout", text="two\n"),
            new.new_output("stream", name="stderr", text="progress"),
            new.new_output("execute_result", data=data, execution_count=2),
            new.new_output("error", ename="E", evalue="v", traceback=["t"]),
        ]
    notebook = new.new_notebook(cells=cells)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "papermill": {"version": "2"},
    }
    return nbformat.from_dict(notebook)


def _case(content: bytes) -> Case:
    return Case({f"{CHAPTER}.ipynb": content})


@contextlib.contextmanager
def _no_kernel():
    """papermill reads, parametrises and writes the notebook, and starts nothing."""
    prepare = functools.partial(papermill.execute_notebook, prepare_only=True)
    with (
        mock.patch.object(papermill, "execute_notebook", prepare),
        mock.patch.dict(os.environ),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def run_execute(case: Case, given: Path, out: Path) -> set[str]:
    (given / "chapters.yaml").write_text(CATALOGUE)
    (given / "params.yaml").write_text((paths.ROOT / "params.yaml").read_text())
    folders = {"ROOT": given, "NOTEBOOKS": given, "REPORTS": out, "RUNS": given / ".cache" / "runs"}
    with project(**folders), _no_kernel():
        target = execute.execute(CHAPTER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nbformat.validate(nbformat.reads(target.read_text(encoding="utf-8"), as_version=4))
    return {"notebooks", "start_here"}


def run_normalise(case: Case, given: Path, out: Path) -> set[str]:
    """A notebook that is one comes out without what differs, and stays as it is the second time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = (given / f"{CHAPTER}.ipynb").read_text(encoding="utf-8")
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
        except Exception:  # no notebook: nothing that papermill could have written
            raise StudyError("This is no notebook.") from None
        once = to_bytes(normalise(notebook))
        again = to_bytes(normalise(nbformat.reads(once.decode(), as_version=4)))
    if once != again:
        raise Fault("Normalising a second time changes the notebook.")
    if any(word in once for word in (b'"papermill"', b'"stderr"')):
        raise Fault("What differs between two runs is still there.")
    return set()


def _target(name: str, executed: bool, run: Run, share: int) -> Target:
    return Target(
        name,
        lambda: _case(as_json(_notebook(executed))),
        lambda: json_files(_notebook(executed)).map(_case),
        run,
        share,
    )


TARGETS = (
    _target("notebook, executed", False, run_execute, 40),
    _target("notebook, normalised", True, run_normalise, 50),
)
