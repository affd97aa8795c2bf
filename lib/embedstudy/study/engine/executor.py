"""Where runs are executed: the one seam behind which serial, processes or a cluster stand.

An executor has one method, ``map(work, runs, progress)``, a generator: it yields ``(index,
Finished)`` as runs end, in any order, is closed to stop early, and calls ``progress(index, fraction, words)`` while they go. A run's result
depends on neither the executor nor the number of workers: threads are a declared number and seeds
come from the run.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from embedstudy.core.errors import Diverged, InfeasibleBudget, StudyError
from embedstudy.study.engine import environment
from embedstudy.study.engine.outcome import Finished, Outcome, Progress

Work = Callable[[Any, Progress], Outcome]
GridProgress = Callable[[int, float, str], None]
_SECONDS_BETWEEN_UPDATES = 0.2


class Executor(Protocol):
    def map(
        self, work: str, runs: list, progress: GridProgress
    ) -> Generator[tuple[int, Finished], None, None]: ...


def load_work(work: str) -> Work:
    """The function named by an import path such as ``embedstudy.study.tables.run:work``."""
    module, _, name = work.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StudyError(
            f"There is no work function '{work}' ({error}): name one as 'package.module:function'."
        ) from error


def attempt(work: Work, run, progress: Progress) -> Finished:
    """Execute one run; whatever it raises becomes a status and an error text."""
    started = time.perf_counter()
    try:
        finished = Finished("ok", work(run, progress))
    except Exception as error:
        statuses = {InfeasibleBudget: "infeasible", Diverged: "diverged"}
        status = next((s for kind, s in statuses.items() if isinstance(error, kind)), "failed")
        text = str(error) if isinstance(error, StudyError) else f"{type(error).__name__}: {error}"
        finished = Finished(status, error=text, traceback=traceback.format_exc())
    finished.outcome.volatile["run_seconds"] = time.perf_counter() - started
    return finished


def _set_arithmetic(threads: int, flush: bool = True) -> int | None:
    """Set torch's thread count if torch is in use; returns the count before.

    Denormals, numbers below 1e-38, cost a hundred times the time of others and are no result:
    they are flushed to zero.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(flush)
    return before


class Serial:
    """One run after the other in this process: for debugging."""

    def __init__(self, threads: int = 1):
        self.threads = threads

    def map(
        self, work: str, runs: list, progress: GridProgress
    ) -> Generator[tuple[int, Finished], None, None]:
        function = load_work(work)
        before = _set_arithmetic(self.threads)
        try:
            for index, run in enumerate(runs):
                progress(index, 0.0, "")
                report = _throttled(lambda done, words, index=index: progress(index, done, words))
                yield index, attempt(function, run, report)
        finally:
            if before is not None:
                _set_arithmetic(before, flush=False)


def _throttled(send: Progress) -> Progress:
    """``send``, called a few times a second at most."""
    last = -_SECONDS_BETWEEN_UPDATES

    def report(fraction: float, words: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_UPDATES or fraction >= 1:
            last = now
            send(float(fraction), words)

    return report


# -- processes --------------------------------------------------------------------------------
def _end_with_parent() -> None:
    """End this worker when its parent is gone, killed or not."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _serve(pipe: Connection, work: str, threads: int) -> None:
    """A worker's life: receive a run, send updates and how it ended, until None comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function = load_work(work)
    _set_arithmetic(threads)
    while (run := pipe.recv()) is not None:
        report = _throttled(lambda done, words: pipe.send((done, words)))
        finished = attempt(function, run, report)
        try:
            pipe.send(finished)
        except Exception as error:  # the outcome holds something that cannot be pickled
            text = f"The outcome cannot be sent back ({type(error).__name__}: {error})."
            pipe.send(Finished("failed", error=text, traceback=traceback.format_exc()))


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    index: int | None = None  # of the run in hand

    def give(self, index: int, run) -> None:
        self.index = index
        with contextlib.suppress(OSError):  # died since: its pipe says so when read
            self.pipe.send(run)

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


class Processes:
    """``workers`` fresh (spawned, never forked) processes, each alive for many runs.

    A worker that dies (killed for memory, say) costs the run it had in hand, which ends as
    ``failed``; another takes its place.
    """

    def __init__(self, workers: int, threads: int = 1):
        self.workers = workers
        self.threads = threads

    def _start(self, work: str) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, work, self.threads), daemon=True)
        with _environment(environment.fixed(self.threads)):
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def map(
        self, work: str, runs: list, progress: GridProgress
    ) -> Generator[tuple[int, Finished], None, None]:
        load_work(work)
        waiting = deque(enumerate(runs))
        pool: list[_Worker] = []

        def give(worker: _Worker) -> None:
            index, run = waiting.popleft()
            worker.give(index, run)
            progress(index, 0.0, "")

        try:
            while waiting or any(worker.index is not None for worker in pool):
                while waiting and len(pool) < self.workers:
                    pool.append(self._start(work))
                    give(pool[-1])
                busy = {worker.pipe: worker for worker in pool if worker.index is not None}
                for pipe in wait(list(busy)):
                    worker, finished = busy[pipe], _received(busy[pipe], progress)
                    if finished is None:
                        continue
                    index, worker.index = worker.index, None
                    if not worker.process.is_alive():
                        pool.remove(worker)
                        worker.stop()
                    elif waiting:
                        give(worker)
                    yield index, finished
        finally:
            for worker in pool:
                worker.stop()


def _received(worker: _Worker, progress: GridProgress) -> Finished | None:
    """How the worker's run ended, or None after an update."""
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return Finished("failed", error=_death(worker.process.exitcode))
    if isinstance(message, Finished):
        return message
    progress(worker.index, *message)
    return None


def _death(code: int) -> str:
    if code >= 0:
        return f"The worker process ended with exit code {code} in the middle of the run."
    hint = " (out of memory? use fewer workers)" if -code == signal.SIGKILL else ""
    return f"The worker process was ended by {signal.Signals(-code).name}{hint}."
