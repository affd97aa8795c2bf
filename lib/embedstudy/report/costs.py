"""What was measured on this machine; kept apart from results, as times vary."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from embedstudy.core import catalogue, paths
from embedstudy.core.catalogue import Chapter
from embedstudy.measure.units import budget_name
from embedstudy.report import text_costs
from embedstudy.study.evidence import claims, frontier, time_claims
from embedstudy.study.evidence.use_cases import use_cases

_SHOWN = {  # column -> heading, digits
    "train_seconds": ("training, s", 2),
    "lookup_us_1": ("look-up of 1 event, µs", 1),
    "lookup_us_4096": ("look-up of 4,096 events, µs", 0),
    "peak_rss_mib": ("peak memory, MiB", 0),
}
_IDENTITY = ["dataset", "backbone", "budget", "label"]
# Headings of columns that hold text.
TEXT = (
    "what",
    "dataset",
    "backbone",
    "budget",
    "method",
    "need",
    "claim",
    "left",
    "right",
    "verdict",
)


@dataclass(frozen=True)
class Table:
    """Measured figures for the foot of a page."""

    title: str
    note: str
    headings: list[str]
    rows: list[list[str]]


def _read(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None


def _lookups() -> pl.DataFrame | None:
    frame = _read(paths.REPORTS / "serving.parquet")
    return frame.select("key", "lookup_us_1", "lookup_us_4096") if frame is not None else None


def _run_costs(chapter: Chapter) -> pl.DataFrame | None:
    """Rows of a chapter with all that was measured about them; None where nothing was."""
    times = _read(paths.REPORTS / chapter.key / "times.parquet")
    rows = _read(paths.RESULTS / chapter.key / "rows.parquet")
    if times is None or rows is None:
        return None
    lookups = _lookups()
    if lookups is not None:
        times = times.drop("lookup_us_1", "lookup_us_4096", strict=False)
        times = times.join(lookups, on="key", how="left", maintain_order="left")
    return rows.join(times, on="key", how="left", maintain_order="left")


def _runs_on_tables() -> pl.DataFrame | None:
    """What was measured about all runs on tables."""
    chapters = catalogue.of_place("tables")
    frames = [frame for one in chapters if (frame := _run_costs(one)) is not None]
    if not frames:
        return None
    joined = pl.concat(frames, how="diagonal_relaxed")
    return joined.unique("key", keep="first", maintain_order=True)


def _text(digits: int) -> Callable[[float], str]:
    return f"{{:,.{digits}f}}".format


def _runs(chapter: Chapter) -> Table | None:
    """Means over seeds of what the runs of a chapter cost."""
    frame = _run_costs(chapter)
    if frame is None:
        return None
    identity = [name for name in _IDENTITY if name in frame.columns]  # text: no one data set a run
    measures = [name for name in _SHOWN if name in frame.columns]
    if not measures:
        return None
    means = (
        frame.drop_nulls(measures[:1])
        .group_by(identity, maintain_order=True)
        .agg(pl.col(measures).mean(), pl.len().alias("runs"))
        .sort(identity, descending=[n == "budget" for n in identity], maintain_order=True)
    )
    texts = means.with_columns(
        *(pl.col(name).map_elements(_text(_SHOWN[name][1]), pl.String) for name in measures),
        pl.col("budget").map_elements(budget_name, pl.String),
        pl.col("runs").cast(pl.String),
    )
    headings = ["method" if n == "label" else n for n in identity]
    headings += [_SHOWN[name][0] for name in measures] + ["runs"]
    note = (
        "Means over the seeds; look-ups are those of the first seed's file, read back in a fresh "
        "process. They change from run to run and from machine to machine."
    )
    return Table("Costs", note, headings, [_plain(row) for row in texts.rows()])


def _texts(chapter: Chapter) -> Table | None:
    table = text_costs.table(chapter)
    if table is None:
        return None
    note = "One thread. Times change from run to run and from machine to machine."
    return Table("Costs", note, *table)


def _plain(row: tuple) -> list[str]:
    return ["–" if cell is None else cell for cell in row]


def _needs() -> Table | None:
    """The use-case table with the needs that only times can tell."""
    runs = _runs_on_tables()
    if runs is None:
        return None
    cases = use_cases(runs)
    rows = [
        [
            *(line[name] for name in ("dataset", "backbone", "need", "label", "budget")),
            f"{line['value']:,.3f}" if line["value"] < 1 else f"{line['value']:,.0f}",
            f"{line['test_auc']:.4f}",
            f"{line['delta']:+.4f}",
        ]
        for line in cases.to_dicts()
    ]
    headings = ["dataset", "backbone", "need", "method", "budget", "value", "test AUC", "to full"]
    note = (
        "Of the methods that lose at most .01 of validation AUC, the best one for each need; "
        "look-ups were timed in a fresh process, building in the runs themselves."
    )
    return Table("Use cases, with the needs that are times", note, headings, rows)


def _time_claims() -> Table | None:
    runs = _runs_on_tables()
    if runs is None:
        return None
    times, ledger = runs.select("key", "train_seconds"), claims.read(paths.ROOT / "claims.yaml")
    judged = time_claims.evaluate(runs.drop("train_seconds"), times, ledger)
    if judged.is_empty():
        return None
    names = ["text", "dataset", "backbone", "left", "right", "ratio", "pairs", "verdict"]
    rows = [
        [f"{v:.2f}" if isinstance(v, float) else str(v) for v in line]
        for line in judged.select(names).rows()
    ]
    note = (
        "Judged from the training times of this machine, so not among the recorded verdicts; "
        "the right side is the most expensive of the other methods."
    )
    return Table("Claims about time", note, ["claim", *names[1:]], rows)


def tables(chapter: Chapter) -> list[Table]:
    """The tables for the foot of a chapter's page; none where nothing was measured.

    Raises ``StudyError`` if ``claims.yaml`` is not readable.
    """
    if chapter.key == frontier.KEY:
        table = _needs()
    elif chapter.key == claims.KEY:
        table = _time_claims()
    else:
        table = _runs(chapter) or _texts(chapter)
    return [table] if table is not None and table.rows else []
