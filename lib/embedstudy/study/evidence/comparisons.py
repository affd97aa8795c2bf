"""Comparisons over rows and per-example scores: what chapters, frontier and claims rest on."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.measure.significance import Effect, Resamples, paired_effect, weighted_auc
from embedstudy.measure.units import AUC, Quality, budget_name
from embedstudy.study.engine.outcome import groups_of
from embedstudy.study.engine.result import GridResult

CELL = ["dataset", "backbone", "label", "budget"]  # one point of a chart; seeds vary within


def with_budget_names(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with a column ``budget_name``: 'full', '1/10', ..."""
    names = pl.col("budget").map_elements(budget_name, return_dtype=pl.String)
    return frame.with_columns(budget_name=names)


def collect(chapters: Iterable[str], resamples: int = 200) -> "Evidence":
    """The rows and scores of several chapters; a run that two chapters share counts once."""
    rows, scores, labels = [], {}, {}
    for chapter in chapters:
        frames = read_results(chapter)
        rows.append(frames["rows"])
        scores |= columns(frames["scores"])
        labels |= columns(frames["labels"])
    joined = pl.concat(rows, how="diagonal_relaxed").unique(
        "key", keep="first", maintain_order=True
    )
    return Evidence(joined, scores, labels, resamples)


def read_results(chapter: str) -> dict[str, pl.DataFrame]:
    """The ``rows``, ``scores`` and ``labels`` of a chapter, named by its key in the catalogue.

    Raises ``StudyError`` if it has not been run.
    """
    folder = paths.RESULTS / chapter
    if not (folder / "rows.parquet").is_file():
        raise StudyError(f"Chapter '{chapter}' has no rows yet: run 'dvc repro' first.")
    return {n: pl.read_parquet(folder / f"{n}.parquet") for n in ("rows", "scores", "labels")}


def columns(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """The columns of a frame by name."""
    return {name: frame[name] for name in frame.columns}


class Evidence:
    """Rows with what is needed to compare them: a paired bootstrap of every run's AUC.

    ``rows``: a row a run; ``scores``: test probabilities of each run, by key; ``labels``: what they
    are judged by, by data set, and whose each event is, where events come in clusters (column
    ``groups_of(dataset)``). Bootstrap samples are those of a data set, drawn by cluster, so that any
    two runs on it are paired event by event.
    """

    quality = AUC

    def __init__(
        self,
        rows: pl.DataFrame,
        scores: dict[str, pl.Series],
        labels: dict[str, pl.Series],
        resamples: int = 200,
    ):
        self.rows, self.scores, self.labels, self.resamples = rows, scores, labels, resamples
        self._draws: dict[str, np.ndarray] = {}
        self._samples: dict[str, tuple[np.ndarray, Resamples]] = {}

    @classmethod
    def of(cls, result: GridResult, resamples: int = 200) -> "Evidence":
        """The evidence of one chapter's grid."""
        return cls(result.rows, columns(result.scores), columns(result.labels), resamples)

    @cached_property
    def ok(self) -> pl.DataFrame:
        """The rows of the runs that succeeded."""
        return self.rows.filter(pl.col("status") == "ok")

    def _sample(self, row: dict) -> tuple[np.ndarray, Resamples]:
        """Test labels [N] and bootstrap samples of the row's data set."""
        name = row["dataset"]
        if name not in self._samples:
            labels, groups = (self._judged(column) for column in (name, groups_of(name)))
            self._samples[name] = labels, Resamples(len(labels), self.resamples, groups=groups)
        return self._samples[name]

    def _judged(self, name: str) -> np.ndarray | None:
        column = self.labels.get(name)
        return None if column is None else column.drop_nulls().to_numpy()

    def draws(self, row: dict) -> np.ndarray:
        """Test AUC of a run on each bootstrap sample: [resamples]."""
        key = row["key"]
        if key not in self._draws:
            labels, weights = self._sample(row)
            scores = self.scores[key].drop_nulls().to_numpy()
            self._draws[key] = weighted_auc(labels, scores, weights)
        return self._draws[key]

    def effect(
        self, left: pl.DataFrame, right: pl.DataFrame, *, percent: bool = False
    ) -> Effect | None:
        """Mean difference of quality, left minus right, paired by seed.

        ``percent``: how many per cent of the right side's quality that is, seed by seed; the ratio is
        formed on each bootstrap sample, so the interval is its own. Each side holds the same number of
        runs a seed (one for each budget compared). None if the sides share no seed.
        """
        sides = [dict(tuple(_by_seed(side))) for side in (left, right)]
        seeds = [seed for seed in sides[0] if seed in sides[1]]
        if not seeds:
            return None
        draws, observed = [], []
        for seed in seeds:
            a, b = sides[0][seed], sides[1][seed]
            drawn = [sum(map(self.draws, side)) / len(side) for side in (a, b)]
            draws.append(_difference(*drawn, percent))
            observed.append(_difference(self._mean(a), self._mean(b), percent))
        return paired_effect(np.stack(draws), float(np.mean(observed)))

    def _mean(self, rows: list[dict]) -> float:
        return float(np.mean([row[self.quality.column] for row in rows]))


def _difference(left, right, percent: bool):
    """``left`` minus ``right``, numbers or arrays, or that in per cent of ``right``."""
    return 100 * (left / right - 1) if percent else left - right


def _by_seed(side: pl.DataFrame) -> Iterable[tuple[int, list[dict]]]:
    for seed in sorted(side["seed"].unique()):
        yield seed, side.filter(pl.col("seed") == seed).to_dicts()


def summary(rows: pl.DataFrame, quality: Quality = AUC) -> pl.DataFrame:
    """One line a method and budget: means over seeds, and the difference to the uncompressed model.

    Columns: dataset, backbone, label, budget, status, seeds, the quality under its own name, lowest
    and highest over seeds, delta (to the uncompressed model of the same seed), test_logloss where
    rows have it, serve_bytes, of_full (serve bytes as a fraction of the uncompressed bytes).
    """
    name, pair = quality.column, ["dataset", "backbone", "seed"]
    full = rows.filter(pl.col("method") == "full").select(*pair, full_quality=name)
    value = pl.col(name)
    also = [pl.col(c).mean() for c in ("test_logloss",) if c in rows.columns]
    return (
        rows.join(full, on=pair, how="left", maintain_order="left")
        .group_by(CELL, maintain_order=True)
        .agg(
            pl.col("status").unique().sort().str.join(", "),
            value.count().alias("seeds"),
            value.mean(),
            value.min().alias("lowest"),
            value.max().alias("highest"),
            (value - pl.col("full_quality")).mean().alias("delta"),
            *also,
            pl.col("serve_bytes").max(),
            (pl.col("serve_bytes") / pl.col("full_bytes")).max().alias("of_full"),
        )
        .sort(
            ["dataset", "backbone", "budget"], descending=[False, False, True], maintain_order=True
        )
    )


def compare_to_full(evidence: Evidence) -> pl.DataFrame:
    """Every method and budget against the full table: ``CELL``, delta, low, high, the mean quality
    under its own name, serve_bytes."""
    lines, name = [], evidence.quality.column
    methods = evidence.ok.filter(pl.col("method") != "full")
    for cell in methods.select(CELL).unique(maintain_order=True).to_dicts():
        left = methods.filter([pl.col(name) == value for name, value in cell.items()])
        effect = evidence.effect(left, _full(evidence.ok, cell))
        if effect is not None:
            lines.append(
                cell
                | {"delta": effect.effect, "low": effect.low, "high": effect.high}
                | {name: left[name].mean(), "serve_bytes": left["serve_bytes"].max()}
            )
    return pl.DataFrame(lines)


def _full(rows: pl.DataFrame, cell: dict) -> pl.DataFrame:
    return rows.filter(
        (pl.col("method") == "full")
        & (pl.col("dataset") == cell["dataset"])
        & (pl.col("backbone") == cell["backbone"])
    )


def findings(comparison: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """What a chapter's comparison says: for each data set, backbone and budget one sentence."""
    said = nearest(comparison) + _still_improving(rows)
    notes = rows.drop_nulls("budget_note").unique(CELL, keep="first", maintain_order=True)
    for line in notes.to_dicts():
        name = budget_name(line["budget"])
        said.append(f"{line['dataset']}: {line['label']} at {name} {line['budget_note']}.")
    return said + not_ok(rows)


def nearest(
    comparison: pl.DataFrame, quality: Quality = AUC, full: str = "the full table"
) -> list[str]:
    """For each data set, backbone and budget: which method loses least, which most, which nothing."""
    said = []
    order = ["dataset", "backbone", "budget"]
    groups = comparison.sort(order, descending=[False, False, True], maintain_order=True)
    for (dataset, backbone, budget), group in groups.group_by(order, maintain_order=True):
        best = group.sort("delta", descending=True).row(0, named=True)
        worst = group.sort("delta").row(0, named=True)
        close = group.filter(pl.col("high") >= 0)["label"].to_list()
        shown = (
            f"({quality.signed(best['delta'])} {quality.name}, 95 % interval "
            f"{quality.signed(best['low'])} to {quality.signed(best['high'])})"
        )
        where = f"{dataset}, {backbone}, {budget_name(budget)} of the bytes: {best['label']}"
        if len(group) == 1:
            verdict = "shows no loss against" if close else "loses against"
            said.append(f"{where} {verdict} {full} {shown}.")
            continue
        said.append(
            f"{where} comes closest to {full} {shown}, {worst['label']} is furthest "
            f"({quality.signed(worst['delta'])}). "
            + (f"No loss is shown for {', '.join(close)}." if close else "Every method loses.")
        )
    return said


def not_ok(rows: pl.DataFrame) -> list[str]:
    """One sentence for the budgets at which a method is not feasible, diverged or failed."""
    said = []
    for status in ("infeasible", "diverged", "failed"):
        bad = rows.filter(pl.col("status") == status)
        for (dataset, label), group in bad.group_by(["dataset", "label"], maintain_order=True):
            budgets = ", ".join(
                budget_name(b) for b in group["budget"].unique().sort(descending=True)
            )
            word = "not feasible" if status == "infeasible" else status
            said.append(f"{dataset}: {label} is {word} at {budgets}.")
    return said


def _still_improving(rows: pl.DataFrame) -> list[str]:
    """A warning for each data set where training ended at its limit, not by itself."""
    ok = rows.filter(pl.col("status") == "ok")
    ended = ok.filter(pl.col("best_epoch") == pl.col("train.epochs"))
    return [
        f"{dataset}: {len(group)} of {len(ok.filter(pl.col('dataset') == dataset))} runs were still "
        "improving in their last allowed epoch; more training could raise them "
        f"({', '.join(group['label'].unique(maintain_order=True))})."
        for (dataset,), group in ended.group_by("dataset", maintain_order=True)
    ]
