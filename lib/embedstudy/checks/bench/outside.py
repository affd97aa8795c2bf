"""What the last ``make repro`` spent on other things than runs."""

import json
from pathlib import Path

import polars as pl

from embedstudy.checks import clock


def run_seconds(reports: Path) -> float:
    """Seconds that the recorded runs took, each counted once though chapters share some.

    What several runs share (the full table, a search) was trained in one of them, and counts there.
    """
    times = [pl.read_parquet(path) for path in sorted(reports.rglob("times.parquet"))]
    runs = pl.concat(times, how="diagonal_relaxed").unique("key", maintain_order=True)
    return runs["run_seconds"].sum()


def outside_runs(reports: Path, workers: int) -> dict | None:
    """Share of the last recorded ``make repro`` that was not spent in runs, or None without a record."""
    record = reports / clock.NOTE
    if not record.is_file():
        return None
    wall = json.loads(record.read_text())["seconds"]
    spent = run_seconds(reports)
    return {
        "repro_seconds": wall,
        "run_core_seconds": round(spent, 1),
        "share_outside_runs": round(1 - spent / workers / wall, 3),
    }
