"""``python -m embedstudy.report.record NAME``: keep the rows of a study in git, with their origin.

For studies that are not the default one (another data set, other parameters, the ``full`` profile):
writes ``results/full/NAME.json``, one line a method, budget and seed with the environment they were
run in, and ``results/full/NAME.svg``, the frontier over all chapters where there is one.
``--published AUC`` draws a published figure of the uncompressed table beside the one measured here. Of
chapters on encoders and codes, the verdicts on their claims are kept too: rows alone would not give
their intervals.
"""

import argparse
import json
import sys

import altair as alt
import polars as pl

from embedstudy import figures
from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.pipeline.provenance import environment
from embedstudy.study.codes import findings as code_questions
from embedstudy.study.evidence import claims
from embedstudy.study.evidence.comparisons import collect
from embedstudy.study.evidence.text_evidence import TextEvidence

_COLUMNS = [
    "dataset", "backbone", "family", "method", "label", "budget", "seed", "status", "error",
    "valid_auc", "test_auc", "test_logloss", "serve_bytes", "full_bytes", "train_bytes", "phases",
    "quality", "layers", "dim", "recovery.steps",
]  # fmt: skip
_SETTINGS = ("train.", "backbone_options.", "tasks.", "domain.", "training.", "fit.", "recovery.")
_RESAMPLES = 1000


def settings(rows: pl.DataFrame) -> dict:
    """What all runs have in common: dimensions and hyper-parameters."""
    names = [n for n in rows.columns if n.startswith(_SETTINGS)]
    names += ["dim", "init_std", "min_count", "events", "length"]
    return {n: rows[n][0] for n in names if n in rows.columns and rows[n].n_unique() == 1}


def record(name: str, chapters: list[str], published: float | None) -> None:
    """Write ``results/full/<name>.json`` and ``.svg`` from the rows of ``chapters``, of one place."""
    rows, verdicts = collect(chapters).rows, []
    place = rows["place"][0]
    if place != "tables":
        rows, verdicts = TextEvidence.collect(chapters).rows, _verdicts(chapters)
    kept = rows.select([c for c in _COLUMNS if c in rows.columns])
    content = {"settings": settings(rows), "environment": environment(), "rows": kept.to_dicts()}
    if published is not None:
        content["published_full_table_auc"] = published
    if verdicts:
        content["verdicts"] = verdicts
    folder = paths.RESULTS / "full"
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    files.write_bytes(folder / f"{name}.json", text.encode())
    chart = _chart(place, rows, published)
    if chart is not None:
        figures.save_svg(chart, folder / f"{name}.svg")


def _chart(place: str, rows: pl.DataFrame, published: float | None) -> alt.TopLevelMixin | None:
    """Quality against bytes; nothing where only the uncompressed model has bytes."""
    if place == "tables":
        return figures.families(rows, published=published)
    sized = rows.drop_nulls(["quality", "serve_bytes"])
    if (sized["method"] == "full").all():
        return None
    if place == "codes":
        return figures.families(code_questions.kinds(sized), axes=figures.CODES)
    return figures.frontier(sized, axes=figures.ENCODERS)


def _verdicts(chapters: list[str]) -> list[dict]:
    """The verdicts on the claims that ``claims.yaml`` makes on these chapters."""
    gathered = {name: TextEvidence.collect([name], _RESAMPLES) for name in chapters}
    verdicts = claims.evaluate(gathered, claims.read(paths.ROOT / "claims.yaml"))
    if verdicts.is_empty():
        return []
    return verdicts.drop("text", "source").drop_nulls("effect").fill_nan(None).to_dicts()


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
