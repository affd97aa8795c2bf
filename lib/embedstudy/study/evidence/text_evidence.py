"""Evidence on text encoders and vector codes: one line a run *and task*, with paired intervals.

A run of these places is judged on several tasks. Its values of each task's examples (nDCG@10 of a
query, cosine of a pair) stand in the column ``<key>.<task>`` of the chapter's scores; here every task
becomes a ``dataset`` of its own, so that the comparisons, charts and claims made for tables apply.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets, tasks
from embedstudy.measure.significance import Effect, resampling_weights
from embedstudy.measure.units import POINTS
from embedstudy.study.engine.grid import GridResult
from embedstudy.study.evidence.comparisons import Evidence


class TextEvidence(Evidence):
    """Rows, one a run and task, with what is needed to compare them.

    ``rows``: those of a chapter, ``dataset`` the task and ``quality`` its figure × 100; runs that are
    not ok have one row for each task they were to be judged on. ``scores``: values by ``key``, the
    run's key and task. Bootstrap samples are drawn once a task and number of examples, so that any
    two runs on it are paired example by example.
    """

    quality = POINTS

    @classmethod
    def of(cls, result: GridResult, resamples: int = 200) -> "TextEvidence":
        """The evidence of one chapter's grid."""
        return cls(*_long(result.rows, result.scores), resamples)

    @classmethod
    def collect(cls, chapters: Iterable[str], resamples: int = 200) -> "TextEvidence":
        """The evidence of several chapters, from their files."""
        rows, scores = [], {}
        for chapter in chapters:
            folder = paths.RESULTS / chapter
            if not (folder / "rows.parquet").is_file():
                raise StudyError(f"Chapter '{chapter}' has no rows yet: run 'dvc repro' first.")
            some, values = _long(*(pl.read_parquet(folder / f"{n}.parquet") for n in _FILES))
            rows.append(some)
            scores |= values
        joined = pl.concat(rows, how="diagonal_relaxed")
        return cls(joined.unique("key", keep="first", maintain_order=True), scores, resamples)

    def effect(self, left: pl.DataFrame, right: pl.DataFrame) -> Effect | None:
        """Mean difference of quality, left minus right, paired by seed and example.

        What draws nothing at random has one seed, which then stands for every seed of the other side.
        """
        return super().effect(_spread(left, right), _spread(right, left))

    def draws(self, row: dict) -> np.ndarray:
        """Quality of a run on each bootstrap sample of its task: [resamples]."""
        key = row["key"]
        if key not in self._draws:
            values = self.scores[key].drop_nulls().to_numpy().astype(np.float64)
            size = row["dataset"], len(values)
            if size not in self._samples:
                self._samples[size] = resampling_weights(len(values), self.resamples)
            self._draws[key] = _judge(row["dataset"]).draws(values, self._samples[size])
        return self._draws[key]


def _spread(side: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    if side["seed"].n_unique() != 1 or other["seed"].n_unique() <= 1:
        return side
    seeds = other["seed"].unique(maintain_order=True)
    return pl.concat([side.with_columns(seed=pl.lit(s, side["seed"].dtype)) for s in seeds])


_FILES = ("rows", "scores")
_judges: dict[str, tasks.Task] = {}


def _judge(task: str) -> tasks.Task:
    """What turns a task's values into its quality; only pairs need their data for that."""
    if task not in _judges:
        known = task in sets.STS
        _judges[task] = tasks.load(task) if known else tasks.RetrievalTask(task, None)
    return _judges[task]


def _long(rows: pl.DataFrame, scores: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    found = {name: scores[name] for name in scores.columns if _task(name) in tasks.FOLDERS}
    lines = [
        {"run": name.partition(".")[0], "key": name, "dataset": _task(name)}
        | {"quality": _judge(_task(name)).quality(_values(column))}
        for name, column in found.items()
    ]
    names = list(dict.fromkeys(line["dataset"] for line in lines))
    unfinished = rows.filter(pl.col("status") != "ok")["key"].to_list()
    lines += [
        {"run": key, "key": f"{key}.{name}", "dataset": name, "quality": None}
        for key in unfinished
        for name in names
    ]
    schema = {"run": str, "key": str, "dataset": str, "quality": float}
    # Rows keep the grid's order, and within a run the tasks'.
    long = rows.rename({"key": "run"}).join(
        pl.DataFrame(lines, schema=schema), on="run", how="inner", maintain_order="left_right"
    )
    return long, found


def _task(column: str) -> str:
    return column.partition(".")[2]


def _values(column: pl.Series) -> np.ndarray:
    return column.drop_nulls().to_numpy().astype(np.float64)
