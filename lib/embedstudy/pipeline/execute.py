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
import time
import warnings
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import write_kernel_spec
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from embedstudy.core import catalogue, errors, files, params, paths, scratch
from embedstudy.core.catalogue import Chapter
from embedstudy.core.errors import StudyError
from embedstudy.core.parent import end_with_parent
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


def _require_valid(notebook: Path) -> None:
    """Raise ``StudyError`` unless the file is a notebook that papermill can write into."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = nbformat.read(notebook, as_version=4)
            nbformat.validate(read)
        dict(read.metadata.get("papermill", {}))
    except Exception as error:  # the library raises whatever a damaged file makes it raise
        what = " ".join(str(getattr(error, "message", error)).split())[:200]
        raise StudyError(
            f"{notebook} is no notebook ({what or type(error).__name__}): take it from git again."
        ) from error


def _run(notebook: Path, partial: Path, parameters: dict, folder: Path) -> NotebookNode:
    """Execute in this Python's own kernel, over sockets in ``folder`` instead of open ports.

    What the kernel and its workers keep for a while is below ``folder`` too.
    """
    write_kernel_spec(folder / "kernels" / "python3")
    os.environ.update(JUPYTER_PATH=str(folder), TMPDIR=str(folder))
    # Its connection file would go to the temporary folder that this process began with.
    kernel = {"ip": str(folder / "k"), "connection_file": str(folder / "kernel.json")}
    ipc = {"KernelManager": {"transport": "ipc", **kernel}}
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


def _sentence(chapter: Chapter, error: Exception, started: float) -> str:
    """What went wrong in the notebook, in one sentence: the cause before what came of it."""
    name = chapter.notebook
    if isinstance(error, DeadKernelError):
        return f"The kernel of chapter {name} died, most likely for lack of memory."
    value = " ".join(error.evalue.split())
    told = f"Chapter {name}: cell [{error.exec_count}] raised {error.ename}: {value}"
    told = error.evalue if error.ename in _TOLD else told
    failed = _failed_runs(chapter, started)
    return told if failed is None or failed[1] in told else f"{failed[0]}. Then: {told}"


def _failed_runs(chapter: Chapter, started: float) -> tuple[str, str] | None:
    """The runs of the chapter's grid that failed since ``started``, and the first one's error."""
    path = paths.results_of(chapter.key) / "rows.parquet"
    if not path.is_file() or path.stat().st_mtime < started:
        return None
    import polars as pl  # takes a while, and is needed only after a failure

    rows = pl.read_parquet(path)
    failed = rows.filter(pl.col("status") == "failed")
    if failed.is_empty():
        return None
    first = failed.row(0, named=True)
    error = " ".join(first["error"].split()).rstrip(".")
    told = f"{len(failed)} of {len(rows)} runs failed, the first '{first['label']}'"
    return f"{told}, seed {first['seed']}: {error}", error


def execute(name: str) -> Path:
    """Run a chapter, named by its notebook or key, and return the path of the executed notebook.

    Raises ``StudyError``, in one sentence: unknown chapter or parameter, wrong type, what the file
    system refuses, or what went wrong in the notebook and where the failed notebook is.
    """
    chapter = catalogue.find(name)
    notebook = find_notebook(chapter)
    given = parameters(chapter)
    injected = {PARAMETER: given} if takes_parameters(notebook) else {}
    _require_valid(notebook)
    os.environ.update(environment.fixed())
    os.environ.update(
        EMBEDSTUDY_ROOT=str(paths.ROOT), EMBEDSTUDY_PIPELINE="1", EMBEDSTUDY_PROGRESS="lines"
    )
    for logger in ("papermill", "asyncio", "tornado"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # errors are told below
    partial = paths.RUNS.parent / "notebooks" / f"{chapter.notebook}.ipynb"
    started = time.time()
    with files.writing(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            with scratch.folder() as folder:
                executed = _run(notebook, partial, injected, folder)
        except (PapermillExecutionError, DeadKernelError) as error:
            sentence = _sentence(chapter, error, started)
            failed = _keep(partial, paths.REPORTS / "failed" / f"{chapter.notebook}.ipynb")
            raise StudyError(f"{sentence} The notebook as far as it came: {failed}") from error
    target = paths.REPORTS / "notebooks" / f"{chapter.notebook}.ipynb"
    files.write_bytes(target, to_bytes(normalise(nbformat.from_dict(executed))))
    partial.unlink()
    wall = {"profile": params.profile(), "seconds": round(time.time() - started, 1)}
    place = paths.REPORTS / chapter.key / "wall.json"
    files.write_bytes(place, json.dumps(wall, sort_keys=True).encode())
    return target


def _keep(partial: Path, failed: Path) -> Path:
    failed.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, failed)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a chapter with its parameters.")
    parser.add_argument("chapter", help="path below notebooks/, such as tables/11-baselines")
    chapter = parser.parse_args().chapter
    if "DVC_STAGE" in os.environ:
        end_with_parent()
    print(f"{chapter} -> {execute(chapter).relative_to(paths.ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: Interrupted; finished runs are kept, start again to go on from there.")
