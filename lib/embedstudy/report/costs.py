"""What was measured on this machine; kept apart from results, as times vary."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from embedstudy.report import text_costs
from embedstudy.study.evidence import claims, time_claims
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
class Measured:
    """A table of measured figures for the foot of a page."""

    title: str
    note: str
    headings: list[str]
    rows: list[list[str]]


def _read(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None


def _serving(reports: Path) -> pl.DataFrame | None:
    frame = _read(reports / "serving.parquet")
    return frame.select("key", "lookup_us_1", "lookup_us_4096") if frame is not None else None


def _joined(section: str, reports: Path, results: Path) -> pl.DataFrame | None:
    """Rows of a section with all that was measured about them; None where nothing was."""
    times = _read(reports / section / "times.parquet")
    rows = _read(results / section / "rows.parquet")
    if times is None or rows is None or "label" not in rows.columns:
        return None
    serving = _serving(reports)
    if serving is not None:
        times = times.drop("lookup_us_1", "lookup_us_4096", strict=False)
        times = times.join(serving, on="key", how="left", maintain_order="left")
    return rows.join(times, on="key", how="left", maintain_order="left")


def _everything(reports: Path, results: Path) -> pl.DataFrame | None:
    sections = sorted(path.parent.name for path in reports.glob("*/times.parquet"))
    frames = [frame for s in sections if (frame := _joined(s, reports, results)) is not None]
    frames = [frame for frame in frames if "valid_auc" in frame.columns]
    if not frames:
        return None
    joined = pl.concat(frames, how="diagonal_relaxed")
    return joined.unique("key", keep="first", maintain_order=True)


def _text(digits: int) -> Callable[[float], str]:
    return f"{{:,.{digits}f}}".format


def _runs(section: str, reports: Path, results: Path) -> Measured | None:
    """Means over seeds of what the runs of a chapter cost."""
    frame = _joined(section, reports, results)
    if frame is None:
        return None
    identity = [name for name in _IDENTITY if name in frame.columns]
    measures = [name for name in _SHOWN if name in frame.columns]
    if not measures:
        return None
    means = (
        frame.drop_nulls(measures[:1])
        .group_by(identity, maintain_order=True)
        .agg(pl.col(measures).mean(), pl.len().alias("runs"))
        .sort(identity, descending=[name == "budget" for name in identity], maintain_order=True)
    )
    texts = means.with_columns(
        *(pl.col(name).map_elements(_text(_SHOWN[name][1]), pl.String) for name in measures),
        *(pl.col(n).map_elements("{:g}".format, pl.String) for n in identity if n == "budget"),
        pl.col("runs").cast(pl.String),
    )
    headings = ["method" if n == "label" else n for n in identity]
    headings += [_SHOWN[name][0] for name in measures] + ["runs"]
    note = (
        "Means over the seeds; look-ups are those of the first seed's file, read back in a fresh "
        "process. They change from run to run and from machine to machine."
    )
    return Measured("Costs", note, headings, [_plain(row) for row in texts.rows()])


def _texts(section: str, reports: Path, results: Path) -> Measured | None:
    found = text_costs.tables(section, reports, results)
    if found is None:
        return None
    note = "One thread. Times change from run to run and from machine to machine."
    return Measured("Costs", note, *found)


def _plain(row: tuple) -> list[str]:
    return ["–" if cell is None else cell for cell in row]


def _needs(reports: Path, results: Path) -> Measured | None:
    """The use-case table with the needs that only times can tell."""
    everything = _everything(reports, results)
    if everything is None:
        return None
    cases = use_cases(everything)
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
    return Measured("Use cases, with the needs that are times", note, headings, rows)


def _time_claims(reports: Path, results: Path, ledger: Path) -> Measured | None:
    everything = _everything(reports, results)
    if everything is None or not ledger.is_file():
        return None
    times = everything.select("key", "train_seconds")
    judged = time_claims.evaluate(everything.drop("train_seconds"), times, claims.read(ledger))
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
    return Measured("Claims about time", note, ["claim", *names[1:]], rows)


def measured(section: str, reports: Path, results: Path) -> list[Measured]:
    """The tables for the foot of a chapter's page; none where nothing was measured.

    Raises ``StudyError`` if ``claims.yaml`` beside ``results`` is not readable.
    """
    ledger = results.parent / "claims.yaml"
    found = {
        "frontier": lambda: _needs(reports, results),
        "claims": lambda: _time_claims(reports, results, ledger),
    }.get(section, lambda: _runs(section, reports, results) or _texts(section, reports, results))()
    return [found] if found is not None and found.rows else []
