"""``python -m embedstudy.study.record NAME``: keep the rows of a study in git, with their origin.

For studies that are not the default one (another data set, the ``full`` profile): writes
``results/full/NAME.json``, one line a method, budget and seed with the environment they were run
in, and ``results/full/NAME.svg``, the frontier over all chapters. ``--published AUC`` draws a
published figure of the uncompressed model beside the one measured here.
"""

import argparse
import json
import sys

import polars as pl

from embedstudy import figures, paths
from embedstudy.errors import StudyError
from embedstudy.study import atomic
from embedstudy.study.evidence import collect
from embedstudy.study.provenance import environment

_COLUMNS = [
    "dataset", "backbone", "family", "method", "label", "budget", "seed", "status", "error",
    "valid_auc", "test_auc", "test_logloss", "serve_bytes", "full_bytes", "train_bytes", "phases",
]  # fmt: skip


def settings(rows: pl.DataFrame) -> dict:
    """What all runs have in common: dimensions and hyper-parameters."""
    names = [n for n in rows.columns if n.startswith(("train.", "backbone_options."))]
    names += ["dim", "init_std", "min_count", "events"]
    return {name: rows[name][0] for name in names if name in rows.columns}


def record(name: str, chapters: list[str], published: float | None) -> None:
    """Write ``results/full/<name>.json`` and ``.svg`` from the rows of ``chapters``."""
    rows = collect(chapters).rows
    kept = rows.select([c for c in _COLUMNS if c in rows.columns])
    content = {"settings": settings(rows), "environment": environment(), "rows": kept.to_dicts()}
    if published is not None:
        content["published_full_table_auc"] = published
    folder = paths.RESULTS / "full"
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    atomic.write_bytes(folder / f"{name}.json", text.encode())
    figures.save_svg(figures.families(rows, published=published), folder / f"{name}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the files in results/full")
    parser.add_argument("chapters", nargs="+", help="sections such as baselines")
    parser.add_argument("--published", type=float, help="a published AUC of the full table")
    arguments = parser.parse_args()
    try:
        record(arguments.name, arguments.chapters, arguments.published)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
