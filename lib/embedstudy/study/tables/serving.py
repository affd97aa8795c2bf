"""``python -m embedstudy.study.tables.serving``: what the served files of the tables cost a server.

A process of its own that trained nothing and runs beside nothing else: of every chapter on tables,
every artefact of the first seed is read from its file, its size compared with the recorded serve
bytes, and its look-up timed. Writes ``reports/serving.parquet``: key, file_bytes, load_ms,
lookup_us_1, lookup_us_4096.
"""

import argparse
import sys
import time
from pathlib import Path

import polars as pl
import torch

from embedstudy.core import catalogue, paths
from embedstudy.core.errors import StudyError
from embedstudy.measure.latency import lookup_microseconds
from embedstudy.study.engine.keys import THREADS
from embedstudy.study.engine.rows import write_frame
from embedstudy.study.tables.data import load_ctr
from embedstudy.tables.core import artefact


def measure(row: dict, path: Path) -> dict:
    """The costs of one artefact. Raises ``StudyError`` if its size is not the recorded one."""
    size = path.stat().st_size
    if size != row["serve_bytes"]:
        raise StudyError(
            f"{path} takes {size:,} bytes, its row says {row['serve_bytes']:,}: run the chapter "
            "again with `dvc repro`."
        )
    started = time.perf_counter()
    served = artefact.load(path)
    loaded = time.perf_counter() - started
    ids = load_ctr(row["dataset"]).test.ids
    return {
        "key": row["key"],
        "file_bytes": size,
        "load_ms": loaded * 1e3,
        "lookup_us_1": lookup_microseconds(served, ids[:1]),
        "lookup_us_4096": lookup_microseconds(served, ids[:4096], repeats=10),
    }


def first_seed_rows(chapter: str) -> pl.DataFrame:
    """The runs of a chapter, named by its key, whose artefacts are measured: those of each data
    set's first seed."""
    path = paths.RESULTS / chapter / "rows.parquet"
    if not path.is_file():
        raise StudyError(f"Chapter '{chapter}' has no rows yet: run 'dvc repro' first.")
    first = pl.col("seed") == pl.col("seed").min().over("dataset")
    return pl.read_parquet(path).filter(first & (pl.col("status") == "ok"))


def measure_all() -> pl.DataFrame:
    """The costs of all artefacts; one that two chapters share is measured once."""
    lines: dict[str, dict] = {}
    for chapter in catalogue.of_place("tables"):
        folder = paths.RESULTS / chapter.key / "artefacts"
        for row in first_seed_rows(chapter.key).to_dicts():
            if row["key"] not in lines:
                lines[row["key"]] = measure(row, folder / f"{row['key']}.safetensors")
    return pl.DataFrame(list(lines.values()))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(THREADS)
    try:
        write_frame(measure_all(), paths.REPORTS / "serving.parquet")
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
