"""``python -m embedstudy.report.summary``: rows -> the small files that git keeps.

Metrics for ``dvc metrics diff``, a series for ``dvc plots diff`` and the frontier as SVG for the
README: deterministic, and written apart from the expensive stages, so that those keep their cache.
"""

import argparse
import json
import sys

import polars as pl

from embedstudy import figures
from embedstudy.core import catalogue, files, paths
from embedstudy.core.errors import StudyError
from embedstudy.figures.axes import Axes
from embedstudy.measure.units import AUC, POINTS, Quality, budget_name
from embedstudy.study.codes.findings import kinds
from embedstudy.study.evidence.comparisons import collect, summary
from embedstudy.study.evidence.text_evidence import TextEvidence


def metrics(table: pl.DataFrame, quality: Quality = AUC) -> dict:
    """dataset -> backbone -> label -> budget -> mean quality (a digit more than shown), bytes, status."""
    nested: dict = {}
    for line in table.to_dicts():
        value = line[quality.column]
        cell = nested.setdefault(line["dataset"], {}).setdefault(line["backbone"], {})
        cell.setdefault(line["label"], {})[budget_name(line["budget"])] = {
            quality.column: None if value is None else round(value, quality.digits + 1),
            "serve_bytes": line["serve_bytes"],
            "status": line["status"],
        }
    return nested


def points(table: pl.DataFrame) -> list[dict]:
    """One point a method and budget, for ``dvc plots``; runs without a quality are left out."""
    lines = table.drop_nulls("test_auc").sort("dataset", "backbone", "label", "serve_bytes")
    return [
        {
            "panel": f"{line['dataset']}, {line['backbone']}",
            "label": line["label"],
            "budget": budget_name(line["budget"]),
            "serve_bytes": line["serve_bytes"],
            "test_auc": round(line["test_auc"], 5),
        }
        for line in lines.to_dicts()
    ]


def _save(name: str, content: object) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    files.write_bytes(paths.RESULTS / "summary" / f"{name}.json", text.encode())


def _draw(name: str, rows: pl.DataFrame, axes: Axes) -> None:
    """A frontier of all families as SVG for each data set."""
    for (dataset,), group in rows.group_by("dataset", maintain_order=True):
        path = paths.RESULTS / "summary" / f"{name}-{dataset}.svg"
        figures.save_svg(figures.families(group, axes=axes), path)


def write_tables() -> None:
    """Write metrics.json, frontier.json and a frontier a data set, over all chapters on tables."""
    rows = collect(chapter.key for chapter in catalogue.of_place("tables")).rows
    table = summary(rows)
    _save("metrics", metrics(table))
    _save("frontier", points(table))
    _draw("frontier", rows, figures.TABLES)


def write_codes() -> None:
    """Write codes.json and a frontier for the tasks that every machine has, docs and reviews."""
    rows = TextEvidence.collect(chapter.key for chapter in catalogue.of_place("codes")).rows
    rows = rows.filter(pl.col("dataset").is_in(["docs", "reviews"]))
    _save("codes", metrics(summary(rows, POINTS), POINTS))
    _draw("frontier-codes", kinds(rows), figures.CODES)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        write_tables()
        write_codes()
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
