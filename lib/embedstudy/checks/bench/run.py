"""The comparisons by name, each in a process of its own with a fixed number of threads."""

import dataclasses
import importlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import polars as pl

from embedstudy.checks.bench.turns import Row
from embedstudy.core.errors import StudyError
from embedstudy.study.engine import environment

# comparison -> threads of both sides; those of a run of the study are one, an encoder alone takes two
COMPARISONS = {"training": 1, "encoding": 2, "matryoshka": 2, "lookup": 1, "search": 1}


def compare(names: Sequence[str], repeats: int, small: bool) -> pl.DataFrame:
    """The lines of those comparisons, one after the other: the fields of ``Row``, and ``threads``.

    Raises ``StudyError`` for an unknown name, or if a comparison's process died.
    """
    unknown = [name for name in names if name not in COMPARISONS]
    if unknown:
        raise StudyError(
            f"There is no comparison '{unknown[0]}': choose from {', '.join(COMPARISONS)}."
        )
    if repeats < 1:
        raise StudyError(f"--repeats is {repeats}, it must be at least 1.")
    lines = []
    for name in names:
        print(f"{name} ...", flush=True)
        rows = _alone(name, repeats, small)
        lines += [{"comparison": name} | dataclasses.asdict(row) for row in rows]
    numbers = dict.fromkeys(("ours", "theirs", "ratio", "goal"), pl.Float64)  # also if all are None
    threads = pl.col("comparison").replace_strict(COMPARISONS)
    return pl.DataFrame(lines, schema_overrides=numbers).with_columns(threads=threads)


def _alone(name: str, repeats: int, small: bool) -> list[Row]:
    """A comparison in a process of its own, whose libraries read the number of threads at start."""
    before = dict(os.environ)
    os.environ.update(environment.fixed(COMPARISONS[name]))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_compare, name, repeats, small).result()
    except BrokenProcessPool as error:
        raise StudyError(
            f"The comparison '{name}' died, perhaps for want of memory: run it by itself with "
            f"`python -m embedstudy.checks.bench {name}`."
        ) from error
    finally:
        os.environ.clear()
        os.environ.update(before)


def _compare(name: str, repeats: int, small: bool) -> list[Row]:
    import torch

    torch.set_num_threads(COMPARISONS[name])
    return importlib.import_module(f"embedstudy.checks.bench.{name}").compare(repeats, small)
