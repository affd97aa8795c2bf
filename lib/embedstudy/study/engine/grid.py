"""A grid of runs: progress, recording, resuming, and the files of a chapter.

A run is a JSON-safe dict, for example::

    {"place": "tables", "dataset": "movielens", "backbone": "dcnv2", "family": "sharing_rows",
     "method": "qr", "label": "QR (mul)", "options": {"op": "mul"}, "budget": 0.1, "seed": 0}

The module of the work function holds more functions: ``sources(run)`` lists the modules that the
work loads by name for this run (its method, its backbone), so that the record depends on their
source; ``check(run)``, which may be left out, raises ``StudyError`` for a run that cannot start,
before any long work; ``prepared(run)`` lists the prepared data that a run reads, the set that
``run["dataset"]`` names if it is left out.
"""

import functools
import importlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import polars as pl

from embedstudy.core import files, params, paths
from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.study.engine import imports, progress, rows
from embedstudy.study.engine.executor import Executor, Processes, Serial, load_work
from embedstudy.study.engine.fingerprint import hash_data
from embedstudy.study.engine.outcome import Finished
from embedstudy.study.engine.store import RunStore, canonical, digest

THREADS = 1  # of a run; declared, because the order of floating-point sums depends on it


@dataclass(frozen=True)
class GridResult:
    """What a chapter reads: a row a run, in grid order.

    ``rows``: identity, result, ``status`` (ok, infeasible, diverged, failed), ``error``; joined to
    the others by ``key``. ``scores``: a Float32 column a key, null beyond the run's own examples.
    ``times``: what differs between two runs.
    """

    rows: pl.DataFrame
    scores: pl.DataFrame
    times: pl.DataFrame
    failures: tuple[str, ...] = ()

    def require_ok(self) -> None:
        """Raise ``StudyError`` naming the runs that failed, if any did."""
        if self.failures:
            raise StudyError(
                f"{len(self.failures)} of {len(self.rows)} runs failed, the others are recorded; "
                f"start again to retry them. {' | '.join(self.failures[:5])}"
            )


def run_grid(
    runs: Sequence[dict],
    *,
    work: str,
    chapter: str,
    workers: int | str | None = None,
    device: str | None = None,
    store: RunStore | None = None,
    data_hashes: dict[str, str] | None = None,
    executor: Executor | None = None,
) -> GridResult:
    """Execute what is not recorded yet, record it, write the chapter's files, return its rows.

    ``work``: import path of the work function, ``embedstudy.study.tables.run:work``. ``chapter``:
    name of the folders below ``results`` and ``reports``. ``workers`` and ``device``: those of
    ``params.yaml`` unless given; 0 workers is for debugging, in this process, where modules stay
    as they were first imported. ``data_hashes``: hash of each data set; by default that of
    ``results/prepared/<dataset>``.

    Runs that fail are in the rows with their error; ``GridResult.require_ok`` raises for them.
    Raises ``StudyError`` before any run starts if one of them cannot start.
    """
    device = params.resolve_device(device)
    workers = params.resolve_workers(workers, device)
    runs = _checked(runs, work, chapter, device)
    keys = _keys(runs, work, data_hashes)
    store = store or RunStore(paths.RUNS)
    executor = executor or (Processes(workers, THREADS) if workers else Serial(THREADS))
    _execute(runs, keys, work, store, executor)
    return _publish(chapter, runs, keys, store)


# -- before -----------------------------------------------------------------------------------
def _checked(runs: Sequence[dict], work: str, chapter: str, device: str) -> list[dict]:
    """The runs as JSON gives them back, on ``device``; raises for those that cannot start."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", chapter):
        raise StudyError(f"The chapter is {chapter!r}: it must be a name like 'sharing_rows'.")
    if not runs:
        raise StudyError(f"The grid of chapter '{chapter}' is empty: give it at least one run.")
    load_work(work)
    check = getattr(importlib.import_module(work.partition(":")[0]), "check", None)
    plain, seen = [], set()
    for run in runs:
        try:
            text = canonical(run)
            plain.append(json.loads(json.dumps(run)) | {"device": device})
        except (TypeError, ValueError) as error:
            raise StudyError(f"{progress.describe(run)}: not JSON-safe ({error}).") from error
        if text in seen:
            raise StudyError(f"{progress.describe(run)}: twice in the grid '{chapter}'.")
        seen.add(text)
        if check is not None:
            _check(check, plain[-1])
    return plain


def _check(check, run: dict) -> None:
    try:
        check(run)
    except InfeasibleBudget:
        pass  # an honest row, not a mistake
    except StudyError as error:
        raise StudyError(f"{progress.describe(run)}: {error}") from error


def _keys(runs: list[dict], work: str, data_hashes: dict[str, str] | None) -> list[str]:
    """The key of each run in the store: parameters, data, source, versions, threads."""
    module = work.partition(":")[0]
    loaded = getattr(importlib.import_module(module), "sources", None)
    if loaded is None:
        raise StudyError(
            f"{module} needs a function sources(run): the names of the modules that it loads by "
            "name for a run, so that an edit of them repeats the run."
        )
    versions = {name: metadata.version(name) for name in ("torch", "numpy")}
    reads = getattr(importlib.import_module(module), "prepared", _dataset)
    if data_hashes is None:
        data_hashes = {name: hash_data(name) for name in sorted(set().union(*map(reads, runs)))}

    @functools.cache
    def source(modules: tuple[str, ...]) -> str:
        files = imports.run_sources(module, modules)
        _declared(files)
        return imports.source_hash(files)

    return [
        digest(
            {
                "run": run,
                "data": {name: data_hashes.get(name) for name in reads(run)},
                "source": source(tuple(loaded(run))),
                "versions": versions,
                "threads": THREADS,
            }
        )
        for run in runs
    ]


def _dataset(run: dict) -> list[str]:
    return [run["dataset"]] if "dataset" in run else []


@functools.cache
def _chapter_files(chapter: str) -> frozenset[Path]:
    notebook = paths.NOTEBOOKS / f"{chapter}.ipynb"
    return frozenset(imports.closure("embedstudy.pipeline.execute", notebook))


def _declared(files: list[Path]) -> None:
    """Raise if a chapter run by the pipeline uses a file that its stage does not depend on."""
    chapter = os.environ.get("EMBEDSTUDY_CHAPTER")
    if not chapter:
        return
    inside = {path for path in files if path.is_relative_to(imports.PACKAGE)}
    hidden = sorted(inside - _chapter_files(chapter))
    if hidden:
        name = ".".join(hidden[0].relative_to(imports.PACKAGE.parent).with_suffix("").parts)
        raise StudyError(
            f"notebooks/{chapter}.ipynb runs {name} without importing it, so an edit of it would "
            "go unnoticed: import its package in the notebook."
        )


# -- during -----------------------------------------------------------------------------------
def _execute(
    runs: list[dict], keys: list[str], work: str, store: RunStore, executor: Executor
) -> None:
    waiting = [i for i, key in enumerate(keys) if not _is_final(store.get(key))]
    if not waiting:
        return
    shown = progress.display(runs, len(runs) - len(waiting))
    finished_runs = executor.map(
        work,
        [runs[i] for i in waiting],
        lambda n, fraction, words: shown.update(waiting[n], fraction, words),
    )
    try:
        for n, finished in finished_runs:
            index = waiting[n]
            store.put(keys[index], runs[index], finished)
            shown.finish(index, finished.status, finished.error)
    finally:
        finished_runs.close()  # ends the workers, also after Ctrl-C or a full disk
        shown.close()


def _is_final(finished: Finished | None) -> bool:
    return finished is not None and finished.status != "failed"


# -- after ------------------------------------------------------------------------------------
def _publish(chapter: str, runs: list[dict], keys: list[str], store: RunStore) -> GridResult:
    """Write rows, scores, artefacts and times; all but the times are deterministic.

    Run by hand, in JupyterLab, a chapter writes below ``.cache/lab`` and leaves the pipeline's
    results alone.
    """
    names, ends = [], []
    for run, key in zip(runs, keys, strict=True):
        # The name of a run in files: its parameters alone, the same on every device and version.
        names.append(digest({k: v for k, v in run.items() if k != "device"})[:16])
        ends.append(store.get(key))
        if ends[-1] is None:
            raise StudyError(f"The record of {progress.describe(run)} was damaged: start again.")
    named = [{"key": name} for name in names]
    result = GridResult(
        rows.frame(
            named,
            [rows.flatten(run) for run in runs],
            [rows.flatten(end.outcome.result) for end in ends],
            [{"status": end.status, "error": end.error} for end in ends],
        ),
        rows.score_frame(
            {
                name if array == "test" else f"{name}.{array}": values
                for name, end in zip(names, ends, strict=True)
                for array, values in end.outcome.arrays.items()
            }
        ),
        rows.frame(named, [rows.flatten(end.outcome.volatile) for end in ends]),
        tuple(
            f"{progress.describe(run)}: {end.error}"
            for run, end in zip(runs, ends, strict=True)
            if end.status == "failed"
        ),
    )
    folder = paths.results_of(chapter)
    files.sweep(folder)
    rows.write_frame(result.rows, folder / "rows.parquet")
    rows.write_frame(result.scores, folder / "scores.parquet")
    rows.write_artefacts(store, zip(names, keys, strict=True), folder / "artefacts")
    rows.write_frame(result.times, paths.reports_of(chapter) / "times.parquet")
    return result
