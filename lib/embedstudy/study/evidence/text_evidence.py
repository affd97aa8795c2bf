"""Evidence on text encoders and vector codes: one line a run *and task*, with paired intervals.

A run of these places is judged on several tasks. Its values of each task's examples (nDCG@10 of a
query, cosine of a pair) stand in the column ``<key>.<task>`` of the chapter's scores; here every task
becomes a ``dataset`` of its own, so that the comparisons, charts and claims made for tables apply.
A task with labels (human scores of its pairs) is judged by Spearman's correlation with them, one
without by the mean.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from embedstudy.measure.significance import (
    Effect,
    Resamples,
    weighted_mean,
    weighted_spearman,
)
from embedstudy.measure.units import POINTS
from embedstudy.study.engine.result import GridResult
from embedstudy.study.evidence.comparisons import Evidence, columns, read_results

Columns = dict[str, pl.Series]


class TextEvidence(Evidence):
    """Rows, one a run and task, with what is needed to compare them.

    ``rows``: those of a chapter, ``dataset`` the task and ``quality`` its figure × 100; runs that are
    not ok have one row for each task they were to be judged on. ``scores``: values by ``key``, the
    run's key and task; ``labels``: human scores by task. Bootstrap samples are drawn once a task and
    number of examples, so that any two runs on it are paired example by example.
    """

    quality = POINTS

    @classmethod
    def of(cls, result: GridResult, resamples: int = 200) -> "TextEvidence":
        """The evidence of one chapter's grid."""
        labels = columns(result.labels)
        return cls(*_long(result.rows, result.scores, labels), labels, resamples)

    @classmethod
    def collect(cls, chapters: Iterable[str], resamples: int = 200) -> "TextEvidence":
        """The evidence of several chapters, from their files."""
        rows, scores, labels = [], {}, {}
        for chapter in chapters:
            frames = read_results(chapter)
            own = columns(frames["labels"])
            some, values = _long(frames["rows"], frames["scores"], own)
            rows.append(some)
            scores |= values
            labels |= own
        joined = pl.concat(rows, how="diagonal_relaxed")
        return cls(
            joined.unique("key", keep="first", maintain_order=True), scores, labels, resamples
        )

    def effect(
        self, left: pl.DataFrame, right: pl.DataFrame, *, percent: bool = False
    ) -> Effect | None:
        """Mean difference of quality, left minus right, paired by seed and example.

        What draws nothing at random has one seed, which then stands for every seed of the other side.
        """
        return super().effect(_spread(left, right), _spread(right, left), percent=percent)

    def draws(self, row: dict) -> np.ndarray:
        """Quality of a run on each bootstrap sample of its task: [resamples]."""
        key, task = row["key"], row["dataset"]
        if key not in self._draws:
            values = _plain(self.scores[key])
            size = task, len(values)
            if size not in self._samples:
                self._samples[size] = Resamples(len(values), self.resamples)
            weights = self._samples[size]
            if task in self.labels:
                drawn = weighted_spearman(values, _plain(self.labels[task]), weights)
            else:
                drawn = weighted_mean(values, weights)
            self._draws[key] = 100 * drawn
        return self._draws[key]


def _spread(side: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    if side["seed"].n_unique() != 1 or other["seed"].n_unique() <= 1:
        return side
    seeds = other["seed"].unique(maintain_order=True)
    return pl.concat([side.with_columns(seed=pl.lit(s, side["seed"].dtype)) for s in seeds])


def _quality(task: str, values: np.ndarray, labels: Columns) -> float:
    """The quality × 100 that a task's values give."""
    if task in labels:
        return 100 * float(spearmanr(values, _plain(labels[task])).statistic)
    return 100 * float(np.mean(values))


def _long(
    rows: pl.DataFrame, scores: pl.DataFrame, labels: Columns
) -> tuple[pl.DataFrame, Columns]:
    found = {name: column for name, column in columns(scores).items() if _task(name)}
    lines = [
        {"run": name.partition(".")[0], "key": name, "dataset": _task(name)}
        | {"quality": _quality(_task(name), _plain(column), labels)}
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


def _plain(column: pl.Series) -> np.ndarray:
    return column.drop_nulls().to_numpy().astype(np.float64)
