"""A grid of runs: progress, recording, resuming, and the files of a chapter.

A run is a ``Run``, a frozen dataclass of its place. The module of the work function holds more
functions, all but the first of which may be left out:

- ``sources(run)``: the modules that the work loads by name for this run (its method, its backbone),
  so that the record depends on their source;
- ``check(run)`` raises ``StudyError`` for a run that cannot start, before any long work;
- ``prepared(run)``: the prepared data that a run reads; the set ``run.dataset`` if it is left out;
- ``labels(run)``: what its scores are judged by, an array a data set or task;
- ``shares(run)``: ``(identity, modules)`` of a training that it shares with other runs, or None;
- ``differs_by_hand``, a constant: whether a run by hand may read other inputs than the pipeline's
  (vectors put together from several lists), so that their records stay apart;
- ``twin(run)``: what is trained, the budget's name left out, where runs of several budgets come out
  the same, or None; ``of_twin(run, other, outcome)`` is then the run's outcome, from that of the
  run ``other`` with an equal twin.
"""

import functools
import importlib
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from types import ModuleType

from embedstudy.core import files, params, paths
from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.study.engine import imports, progress, rows
from embedstudy.study.engine.executor import Executor, Processes, Serial, load_work
from embedstudy.study.engine.fingerprint import data_bytes, hash_data
from embedstudy.study.engine.outcome import Finished
from embedstudy.study.engine.result import GridResult
from embedstudy.study.engine.runs import Run
from embedstudy.study.engine.store import RunStore, canonical, digest

THREADS = 1  # of a run; declared, because the order of floating-point sums depends on it
_CHAPTER = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?")


def run_grid(
    runs: Sequence[Run],
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
    key of the catalogue ("tables/sharing_rows"), the folder below ``results`` and ``reports``.
    ``workers`` and ``device``: those of ``params.yaml`` unless given; 0 workers is for debugging,
    in this process, where modules stay as they were first imported. ``data_hashes``: hash of each
    data set; by default that of ``results/prepared/<dataset>``.

    Runs that fail are in the rows with their error; ``GridResult.require_ok`` raises for them.
    Raises ``StudyError`` before any run starts if one of them cannot start.
    """
    device = params.resolve_device(device)
    workers = params.resolve_workers(workers, device)
    module = importlib.import_module(load_work(work).__module__)
    runs = _checked(runs, module, chapter, device)
    runs, keys = _keys(runs, module, data_hashes)
    store = store or RunStore(paths.RUNS)
    executor = executor or (Processes(workers, THREADS) if workers else Serial(THREADS))
    _execute(runs, keys, work, module, store, executor)
    return _publish(chapter, runs, keys, module, store)


# -- before -----------------------------------------------------------------------------------
def _checked(runs: Sequence[Run], module: ModuleType, chapter: str, device: str) -> list[Run]:
    """The runs on ``device``; raises for those that cannot start."""
    if not _CHAPTER.fullmatch(chapter):
        raise StudyError(
            f"The chapter is {chapter!r}: it must be a key like 'tables/sharing_rows'."
        )
    if not runs:
        raise StudyError(f"The grid of chapter '{chapter}' is empty: give it at least one run.")
    check, seen = getattr(module, "check", None), set()
    runs = [replace(run, device=device) for run in runs]
    for run in runs:
        try:
            text = canonical(run.identity())
        except (TypeError, ValueError) as error:
            raise StudyError(f"{progress.describe(run)}: not JSON-safe ({error}).") from error
        if text in seen:
            raise StudyError(f"{progress.describe(run)}: twice in the grid '{chapter}'.")
        seen.add(text)
        if check is not None:
            _check(check, run)
    return runs


def _check(check, run: Run) -> None:
    try:
        check(run)
    except InfeasibleBudget:
        pass  # an honest row, not a mistake
    except StudyError as error:
        raise StudyError(f"{progress.describe(run)}: {error}") from error


def _keys(
    runs: list[Run], module: ModuleType, data_hashes: dict[str, str] | None
) -> tuple[list[Run], list[str]]:
    """The runs with the keys of what they share, and the key of each in the store.

    A key is made of parameters, data, source, versions and threads.
    """
    if not hasattr(module, "sources"):
        raise StudyError(
            f"{module.__name__} needs a function sources(run): the names of the modules that it "
            "loads by name for a run, so that an edit of them repeats the run."
        )
    versions = {name: metadata.version(name) for name in ("torch", "numpy")}
    reads = getattr(module, "prepared", _dataset)
    if data_hashes is None:
        data_hashes = {name: hash_data(name) for name in sorted(set().union(*map(reads, runs)))}

    by_hand = getattr(module, "differs_by_hand", False) and not paths.in_pipeline()
    apart = {"by_hand": True} if by_hand else {}

    @functools.cache
    def source(modules: tuple[str, ...]) -> str:
        return imports.source_hash(imports.run_sources(module.__name__, modules))

    def key(run: Run, identity: dict, modules: list[str]) -> str:
        return digest(
            {
                "run": identity | {"device": run.device} | apart,
                "data": {name: data_hashes.get(name) for name in reads(run)},
                "source": source(tuple(modules)),
                "versions": versions,
                "threads": THREADS,
            }
        )

    shares, keyed = getattr(module, "shares", None), []
    for run in runs:
        common = shares(run) if shares is not None else None
        keyed.append(run if common is None else replace(run, shared=key(run, *common)))
    return keyed, [key(run, run.identity(), module.sources(run)) for run in keyed]


def _dataset(run: Run) -> list[str]:
    dataset = getattr(run, "dataset", None)
    return [dataset] if dataset else []


# -- during -----------------------------------------------------------------------------------
def _execute(
    runs: list[Run],
    keys: list[str],
    work: str,
    module: ModuleType,
    store: RunStore,
    executor: Executor,
) -> None:
    waiting = [i for i, key in enumerate(keys) if not _is_final(store.get(key))]
    if not waiting:
        return
    first = _twins(runs, waiting, module)
    leading = _longest_first([i for i in waiting if first.get(i, i) == i], runs, module)
    shown = progress.display(runs, len(runs) - len(leading))
    finished_runs = executor.map(
        work,
        [runs[i] for i in leading],
        lambda n, fraction, words: shown.update(leading[n], fraction, words),
    )
    try:
        for n, finished in finished_runs:
            index = leading[n]
            store.put(keys[index], runs[index], finished)
            shown.finish(index, finished.status, finished.error)
    finally:
        finished_runs.close()  # ends the workers, also after Ctrl-C or a full disk
        shown.close()
    for index, other in first.items():
        if index != other:
            _copy(module, store, runs, keys, index, other)


def _longest_first(waiting: list[int], runs: list[Run], module: ModuleType) -> list[int]:
    """Runs on much data before those on little, so that no worker ends long after the others."""
    reads = getattr(module, "prepared", _dataset)
    sizes = {name: data_bytes(name) for i in waiting for name in reads(runs[i])}
    return sorted(waiting, key=lambda i: -sum(sizes[name] for name in reads(runs[i])))


def _twins(runs: list[Run], waiting: list[int], module: ModuleType) -> dict[int, int]:
    """Waiting run -> the first run of the grid that trains the same model, perhaps itself."""
    twin = getattr(module, "twin", None)
    if twin is None:
        return {}
    methods = {(runs[i].method, runs[i].label) for i in waiting}
    found: dict[str, int] = {}
    first = {}
    for index, run in enumerate(runs):
        model = twin(run) if (run.method, run.label) in methods else None
        if model is not None:
            first[index] = found.setdefault(canonical(model), index)
    return {index: other for index, other in first.items() if index in waiting}


def _copy(module, store: RunStore, runs, keys, index: int, other: int) -> None:
    """Record a run's end as that of the run that trained the same model."""
    finished = store.get(keys[other], with_files=True)
    if finished is None:
        raise StudyError(
            f"The record of {progress.describe(runs[other])} was damaged: start again."
        )
    if finished.status == "ok":
        outcome = module.of_twin(runs[index], runs[other], finished.outcome)
        finished = Finished("ok", outcome)
    store.put(keys[index], runs[index], finished)


def _is_final(finished: Finished | None) -> bool:
    return finished is not None and finished.status != "failed"


# -- after ------------------------------------------------------------------------------------
def _publish(
    chapter: str, runs: list[Run], keys: list[str], module: ModuleType, store: RunStore
) -> GridResult:
    """Write rows, scores, labels, artefacts and times; all but the times are deterministic.

    Run by hand, in JupyterLab, a chapter writes below ``.cache/lab`` and leaves the pipeline's
    results alone.
    """
    ends = [store.get(key) for key in keys]
    for run, end in zip(runs, ends, strict=True):
        if end is None:
            raise StudyError(f"The record of {progress.describe(run)} was damaged: start again.")
    # The name of a run in files: its parameters alone, the same on every device and version.
    names = [digest(run.identity())[:16] for run in runs]
    result = _gather(runs, names, ends, _labels(runs, module))
    folder = paths.results_of(chapter)
    files.sweep(folder)
    for name in ("rows", "scores", "labels"):
        rows.write_frame(getattr(result, name), folder / f"{name}.parquet")
    rows.write_artefacts(store, zip(names, keys, strict=True), folder / "artefacts")
    rows.write_frame(result.times, paths.reports_of(chapter) / "times.parquet")
    return result


def _gather(runs: list[Run], names: list[str], ends: list[Finished], labels: dict) -> GridResult:
    keys = [{"key": name} for name in names]
    return GridResult(
        rows.frame(
            keys,
            [rows.flatten(run.identity() | {"device": run.device}) for run in runs],
            [rows.flatten(end.outcome.result) for end in ends],
            [{"status": end.status, "error": end.error} for end in ends],
        ),
        rows.array_frame(
            {
                name if array == "test" else f"{name}.{array}": values
                for name, end in zip(names, ends, strict=True)
                for array, values in end.outcome.arrays.items()
            },
            "float32",
        ),
        rows.array_frame(labels, "float64"),
        rows.frame(keys, [rows.flatten(end.outcome.volatile) for end in ends]),
        tuple(
            f"{progress.describe(run)}: {end.error}"
            for run, end in zip(runs, ends, strict=True)
            if end.status == "failed"
        ),
    )


def _labels(runs: list[Run], module: ModuleType) -> dict:
    """What the scores of the grid are judged by: an array a data set or task, each read once."""
    judged = getattr(module, "labels", None)
    if judged is None:
        return {}
    reads = getattr(module, "prepared", _dataset)
    one_each = {tuple(reads(run)): run for run in runs}
    return {name: values for run in one_each.values() for name, values in judged(run).items()}
