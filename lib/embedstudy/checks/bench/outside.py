"""What the last ``make repro`` spent on other things than training."""

import json
from pathlib import Path

import polars as pl

from embedstudy.checks import clock


def trained_seconds(reports: Path, results: Path) -> float:
    """Seconds of training that the recorded runs really took.

    A run that starts from the trained full table reports its training as part of its own cost, but
    it was trained once a data set, backbone and seed.
    """
    frames = []
    for path in sorted(reports.rglob("times.parquet")):
        rows = pl.read_parquet(results / path.parent.relative_to(reports) / "rows.parquet")
        frames.append(rows.join(pl.read_parquet(path), on="key"))
    runs = pl.concat(frames, how="diagonal_relaxed").unique("key", maintain_order=True)
    same = ["dataset", "backbone", "seed"]
    full = runs.filter(pl.col("method") == "full").select(*same, full="train_seconds")
    runs = runs.join(full, on=same, how="left")
    shared = pl.col("phases").str.starts_with("full") & (pl.col("method") != "full")
    spent = pl.col("train_seconds") - pl.when(shared).then("full").otherwise(0)
    return runs.select(spent.sum()).item()


def outside_training(reports: Path, results: Path, workers: int) -> dict | None:
    """Share of the last recorded ``make repro`` that was not training, or None without a record."""
    record = reports / clock.NOTE
    if not record.is_file():
        return None
    wall = json.loads(record.read_text())["seconds"]
    trained = trained_seconds(reports, results)
    return {
        "repro_seconds": wall,
        "training_core_seconds": round(trained, 1),
        "share_outside_training": round(1 - trained / workers / wall, 3),
    }
