"""The key of a run in the store: all that its row depends on, and nothing else."""

import functools
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from types import ModuleType

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.study.engine import environment, imports
from embedstudy.study.engine.fingerprint import hash_data
from embedstudy.study.engine.runs import Run
from embedstudy.study.engine.store import digest

THREADS = 1  # of a run; declared, because the order of floating-point sums depends on it


def reads_of(module: ModuleType) -> Callable[[Run], list[str]]:
    """The function that names the prepared data of a run: the module's, or its data set's name."""
    return getattr(module, "prepared", _dataset)


def _dataset(run: Run) -> list[str]:
    dataset = getattr(run, "dataset", None)
    return [dataset] if dataset else []


def keyed(
    runs: list[Run], module: ModuleType, data_hashes: dict[str, str] | None
) -> tuple[list[Run], list[str]]:
    """The runs with the keys of what they share, and the key of each in the store.

    A key is made of parameters, data, source, versions, threads and instruction set.
    """
    if not hasattr(module, "sources"):
        raise StudyError(
            f"{module.__name__} needs a function sources(run): the names of the modules that it "
            "loads by name for a run, so that an edit of them repeats the run."
        )
    versions = {name: metadata.version(name) for name in ("torch", "numpy")}
    reads = reads_of(module)
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
                "arithmetic": environment.arithmetic(),
            }
        )

    shares, keyed = getattr(module, "shares", None), []
    for run in runs:
        common = shares(run) if shares is not None else {}
        keyed.append(replace(run, shared={n: key(run, *what) for n, what in common.items()}))
    return keyed, [key(run, run.identity(), module.sources(run)) for run in keyed]
