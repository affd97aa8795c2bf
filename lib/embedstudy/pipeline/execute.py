"""Run a chapter with its parameters: ``python -m embedstudy.pipeline.execute tables/11-baselines``.

A thin layer over papermill: it refuses what the notebook does not understand, fixes the
environment of the kernel, shows the notebook's progress, and puts the executed notebook into
``reports/notebooks`` as bytes that a second run reproduces. A notebook that fails is kept in
``reports/failed``.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import write_kernel_spec
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from embedstudy.core import catalogue, errors, files, params, paths
from embedstudy.core.catalogue import Chapter
from embedstudy.core.errors import StudyError
from embedstudy.pipeline.chapters import PARAMETER, parameters, takes_parameters
from embedstudy.pipeline.normalise import normalise, to_bytes
from embedstudy.study.engine import environment

_TOLD = {name for name, kind in vars(errors).items() if isinstance(kind, type)}


def find_notebook(chapter: Chapter) -> Path:
    """The notebook of a chapter; raises ``StudyError`` if the catalogue names one that is not there."""
    notebook = paths.NOTEBOOKS / f"{chapter.notebook}.ipynb"
    if not notebook.is_file():
        raise StudyError(f"notebooks/chapters.yaml: {chapter.key} has no notebook {notebook}.")
    return notebook


def _run(notebook: Path, partial: Path, parameters: dict, scratch: Path) -> NotebookNode:
    """Execute in this Python's own kernel, over sockets in ``scratch`` instead of open ports."""
    write_kernel_spec(scratch / "kernels" / "python3")
    os.environ["JUPYTER_PATH"] = str(scratch)
    ipc = {"KernelManager": {"transport": "ipc", "ip": str(scratch / "k")}}
    return papermill.execute_notebook(
        notebook,
        partial,
        parameters,
        kernel_name="python3",
        language="python",
        cwd=paths.ROOT,
        progress_bar=False,
        autosave_cell_every=30,
        stdout_file=sys.stdout,
        stderr_file=sys.stderr,
        config=Config(ipc),
    )


def _sentence(chapter: str, error: Exception) -> str:
    """What went wrong in the notebook, in one sentence."""
    if isinstance(error, DeadKernelError):
        return f"The kernel of chapter {chapter} died, most likely for lack of memory."
    if error.ename in _TOLD:
        return error.evalue
    value = " ".join(error.evalue.split())
    return f"Chapter {chapter}: cell [{error.exec_count}] raised {error.ename}: {value}"


def execute(name: str) -> Path:
    """Run a chapter, named by its notebook or key, and return the path of the executed notebook.

    Raises ``StudyError``, in one sentence: unknown chapter or parameter, wrong type, or what went
    wrong in the notebook and where the failed notebook is.
    """
    chapter = catalogue.find(name)
    notebook = find_notebook(chapter)
    given = parameters(chapter)
    injected = {PARAMETER: given} if takes_parameters(notebook) else {}
    os.environ.update(environment.fixed())
    os.environ.update(
        EMBEDSTUDY_ROOT=str(paths.ROOT), EMBEDSTUDY_PIPELINE="1", EMBEDSTUDY_PROGRESS="lines"
    )
    for logger in ("papermill", "asyncio", "tornado"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # errors are told below
    partial = paths.RUNS.parent / "notebooks" / f"{chapter.notebook}.ipynb"
    partial.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="k") as scratch:
            executed = _run(notebook, partial, injected, Path(scratch))
    except (PapermillExecutionError, DeadKernelError) as error:
        failed = paths.REPORTS / "failed" / f"{chapter.notebook}.ipynb"
        failed.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, failed)
        sentence = _sentence(chapter.notebook, error)
        raise StudyError(f"{sentence}\nThe notebook as far as it came: {failed}") from error
    target = paths.REPORTS / "notebooks" / f"{chapter.notebook}.ipynb"
    files.write_bytes(target, to_bytes(normalise(nbformat.from_dict(executed))))
    partial.unlink()
    wall = {"profile": params.profile(), "seconds": round(time.perf_counter() - started, 1)}
    place = paths.REPORTS / chapter.key / "wall.json"
    files.write_bytes(place, json.dumps(wall, sort_keys=True).encode())
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a chapter with its parameters.")
    parser.add_argument("chapter", help="path below notebooks/, such as tables/11-baselines")
    chapter = parser.parse_args().chapter
    print(f"{chapter} -> {execute(chapter).relative_to(paths.ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: Interrupted; finished runs are kept, start again to go on from there.")
