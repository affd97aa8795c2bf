"""A grid of runs: progress, recording, resuming, and the files of a chapter.

A run is a ``Run``, a frozen dataclass of its place. The module of the work function holds more
functions, all but the first of which may be left out:

- ``sources(run)``: the modules that the work loads by name for this run (its method, its backbone),
  so that the record depends on their source;
- ``check(run)`` raises ``StudyError`` for a run that cannot start, before any long work;
- ``prepared(run)``: the prepared data that a run reads; the set ``run.dataset`` if it is left out;
- ``labels(run)``: what its scores are judged by, an array a data set or task;
- ``shares(run)``: the trainings that it shares with other runs, name -> ``(identity, modules)``;
- ``differs_by_hand``, a constant: whether a run by hand may read other inputs than the pipeline's
  (vectors put together from several lists), so that their records stay apart;
- ``twin(run)``: what is trained, the budget's name left out, where runs of several budgets come out
  the same, or None; ``of_twin(run, other, outcome)`` is then the run's outcome, from that of the
  run ``other`` with an equal twin.
"""

import importlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

from embedstudy.core import params, paths
from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.study.engine import progress, twins
from embedstudy.study.engine.executor import Executor, Processes, Serial, load_work
from embedstudy.study.engine.fingerprint import data_bytes
from embedstudy.study.engine.keys import THREADS, keyed, reads_of
from embedstudy.study.engine.outcome import Finished
from embedstudy.study.engine.publish import publish
from embedstudy.study.engine.result import GridResult
from embedstudy.study.engine.runs import Run
from embedstudy.study.engine.store import RunStore, canonical

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
    runs, keys = keyed(runs, module, data_hashes)
    store = store or RunStore(paths.RUNS)
    executor = executor or (Processes(workers, THREADS) if workers else Serial(THREADS))
    _execute(runs, keys, work, module, store, executor)
    return publish(chapter, runs, keys, module, store)


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
    first = twins.leaders(runs, waiting, module)
    leading = _in_order([i for i in waiting if first.get(i, i) == i], runs, module)
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
            twins.copy(module, store, runs, keys, index, other)


def _in_order(waiting: list[int], runs: list[Run], module: ModuleType) -> list[int]:
    """Runs on much data before those on little, so that no worker ends long after the others.

    Of runs on the same data, one budget after the other: those that differ in their budget alone
    may share a training, and would wait for each other.
    """
    reads = reads_of(module)
    sizes = {name: data_bytes(name) for i in waiting for name in reads(runs[i])}
    turn, turns = {}, Counter()
    for i in waiting:
        alike = canonical(runs[i].identity() | {"budget": None})
        turn[i] = turns[alike]
        turns[alike] += 1
    return sorted(waiting, key=lambda i: (-sum(sizes[n] for n in reads(runs[i])), turn[i]))


def _is_final(finished: Finished | None) -> bool:
    return finished is not None and finished.status != "failed"
