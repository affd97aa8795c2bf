"""``python -m embedstudy.report.summary CHAPTER...``: rows -> the small files that git keeps.

Metrics for ``dvc metrics diff``, a series for ``dvc plots diff`` and the frontier as SVG for the
README: deterministic, and written apart from the expensive stages, so that those keep their cache.
"""

import argparse
import json
import sys

import polars as pl

from embedstudy import figures
from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.measure.units import AUC, POINTS, Quality
from embedstudy.study.codes.findings import kinds
from embedstudy.study.evidence.comparisons import budget_name, collect, summary
from embedstudy.study.evidence.text_evidence import TextEvidence

FOLDER = paths.RESULTS / "summary"


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
    known = table.drop_nulls("test_auc").sort("dataset", "backbone", "label", "serve_bytes")
    return [
        {
            "panel": f"{line['dataset']}, {line['backbone']}",
            "label": line["label"],
            "budget": budget_name(line["budget"]),
            "serve_bytes": line["serve_bytes"],
            "test_auc": round(line["test_auc"], 5),
        }
        for line in known.to_dicts()
    ]


def _save(name: str, content: object) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    files.write_bytes(FOLDER / f"{name}.json", text.encode())


def write(chapters: list[str]) -> None:
    """Write ``results/summary``: metrics.json, frontier.json and a frontier SVG a data set."""
    rows = collect(chapters).rows
    table = summary(rows)
    _save("metrics", metrics(table))
    _save("frontier", points(table))
    for dataset in rows["dataset"].unique(maintain_order=True):
        chart = figures.families(rows.filter(pl.col("dataset") == dataset))
        figures.save_svg(chart, FOLDER / f"frontier-{dataset}.svg")


def write_codes(chapters: list[str]) -> None:
    """Write codes.json and a frontier SVG for the tasks that every machine has, docs and reviews."""
    rows = TextEvidence.collect(chapters).rows
    rows = rows.filter(pl.col("dataset").is_in(["docs", "reviews"]))
    _save("codes", metrics(summary(rows, POINTS), POINTS))
    for (task,), group in kinds(rows).group_by("dataset", maintain_order=True):
        chart = figures.families(group, axes=figures.CODES)
        figures.save_svg(chart, FOLDER / f"frontier-codes-{task}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="+", help="on tables: sections such as baselines")
    parser.add_argument("--codes", nargs="*", default=[], help="on codes")
    arguments = parser.parse_args()
    try:
        write(arguments.chapters)
        if arguments.codes:
            write_codes(arguments.codes)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
