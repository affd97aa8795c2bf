"""``make bench``: the study's speed beside other libraries, and its time outside of runs.

    python -m embedstudy.checks.bench [training encoding matryoshka lookup search] [--small]

Prints a table and writes ``reports/bench.json``. A peer that is not installed is left out and said to be
missing. Times depend on what else the machine does; the ratios of a line, measured by turns, hardly do.
"""

import argparse
import json
import os
import sys

import polars as pl

from embedstudy.checks.bench.outside import outside_runs
from embedstudy.checks.bench.run import COMPARISONS, compare
from embedstudy.core import files
from embedstudy.core.errors import StudyError
from embedstudy.core.paths import REPORTS


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="embedstudy.checks.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="comparison", help=", ".join(COMPARISONS))
    parser.add_argument("--repeats", type=int, default=5, help="pairs of measurements")
    parser.add_argument("--small", action="store_true", help="small data, to see that it runs")
    parser.add_argument("--workers", type=int, default=2, help="workers of the last make repro")
    chosen = parser.parse_args(arguments)
    try:
        load = os.getloadavg()[0]
        table = compare(chosen.names or list(COMPARISONS), chosen.repeats, chosen.small)
        share = outside_runs(REPORTS, chosen.workers)
        record = {"cores": os.cpu_count(), "load_before": load, "rows": table.to_dicts()}
        text = json.dumps(record | {"make_repro": share}, indent=1) + "\n"
        files.write_bytes(REPORTS / "bench.json", text.encode())
    except StudyError as error:
        sys.exit(f"error: {error}")
    print(written(table))
    print(f"{os.cpu_count()} cores, load {load:.1f} before, {os.getloadavg()[0]:.1f} after.")
    if share:
        print("The last make repro: " + ", ".join(f"{k} {v}" for k, v in share.items()))


def written(table: pl.DataFrame) -> str:
    """The table as text, figures with three digits."""
    shown = table.select(
        "what",
        "threads",
        pl.col("ours", "theirs").map_elements(_figure, pl.String),
        unit=pl.col("unit") + "/s",
        peer="peer",
        version="version",
        ratio=pl.col("ratio").round(2).cast(pl.String),
        goal=pl.col("goal").cast(pl.String),
    )
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=240,
        fmt_str_lengths=200,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_MARKDOWN",
    ):
        return str(shown.fill_null(""))


def _figure(value: float) -> str:
    """
    >>> _figure(123_456.7), _figure(4.5678)
    ('123,000', '4.57')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


if __name__ == "__main__":
    main()
