"""What the runs of a chapter cost on this machine; kept apart from results, as times vary."""

from pathlib import Path

import polars as pl

_SHOWN = {  # column of times.parquet -> heading, digits
    "train_seconds": ("training, s", 2),
    "lookup_us_1": ("look-up of 1 row, µs", 1),
    "lookup_us_4096": ("look-up of 4,096 rows, µs", 0),
    "peak_rss_mib": ("peak memory, MiB", 0),
}
TEXT = ("dataset", "backbone", "budget", "method")  # headings of columns that hold text
_IDENTITY = ["dataset", "backbone", "budget", "label"]


def _named(times: pl.DataFrame, rows: Path) -> pl.DataFrame:
    """``times`` with the columns that say which run each one belongs to."""
    if "label" in times.columns or not rows.is_file():
        return times
    known = pl.read_parquet(rows)
    wanted = ["key", *(name for name in _IDENTITY if name in known.columns)]
    return times.join(known.select(wanted), on="key", how="left", maintain_order="left")


def table(section: str, reports: Path, results: Path) -> tuple[list[str], list[list[str]]]:
    """Headings, and the means over seeds as text; no rows where nothing was measured.

    Reads ``reports/<section>/times.parquet`` and takes what the runs are called, where it does
    not say so itself, from ``results/<section>/rows.parquet``.
    """
    path = reports / section / "times.parquet"
    if not path.is_file():
        return [], []
    times = _named(pl.read_parquet(path), results / section / "rows.parquet")
    identity = [name for name in _IDENTITY if name in times.columns]
    measures = [name for name in _SHOWN if name in times.columns]
    if not identity or not measures:
        return [], []
    means = (
        times.drop_nulls(measures)
        .group_by(identity, maintain_order=True)
        .agg(pl.col(measures).mean(), pl.len().alias("runs"))
        .sort(identity, descending=[name == "budget" for name in identity], maintain_order=True)
    )
    headings = ["method" if n == "label" else n for n in identity]
    headings += [_SHOWN[name][0] for name in measures] + ["runs"]
    texts = means.with_columns(
        *(pl.col(name).map_elements(_text(_SHOWN[name][1]), pl.String) for name in measures),
        *(pl.col(n).map_elements("{:g}".format, pl.String) for n in identity if n == "budget"),
        pl.col("runs").cast(pl.String),
    )
    return headings, [list(row) for row in texts.rows()]


def _text(digits: int):
    return f"{{:,.{digits}f}}".format
