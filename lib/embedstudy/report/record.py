"""``python -m embedstudy.report.record NAME KEY...``: keep the rows of a study in git, with their origin.

For studies that are not the default one (another data set, other parameters, the ``full`` profile):
writes ``results/full/NAME.json``, one line a method, budget and seed with the environment they were
run in, and ``results/full/NAME.svg``, the frontier over the chapters named, where there is one.
``--published AUC`` draws a published figure of the uncompressed table beside the one measured here. Of
chapters on encoders and codes, the verdicts on their claims are kept too: rows alone would not give
their intervals.
"""

import argparse
import json
import sys
from collections.abc import Iterable

import altair as alt
import polars as pl

from embedstudy import figures
from embedstudy.core import catalogue, files, paths
from embedstudy.core.catalogue import Chapter
from embedstudy.core.errors import StudyError
from embedstudy.pipeline.provenance import environment
from embedstudy.study.codes.findings import kinds
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
    names += ["dim", "init_std", "length"]
    return {n: rows[n][0] for n in names if n in rows.columns and rows[n].n_unique() == 1}


def _chapters(names: list[str]) -> list[Chapter]:
    """The chapters of these keys, all of one place."""
    chapters = [catalogue.find(name) for name in names]
    places = {chapter.group for chapter in chapters}
    if len(places) > 1 or not places <= set(catalogue.PLACES):
        raise StudyError(
            f"A record is of chapters of one place, not of {', '.join(names)}: name those of one of "
            f"{', '.join(catalogue.PLACES)}."
        )
    return chapters


def _preparation(datasets: Iterable[str]) -> dict:
    """How each data set was prepared, where that is on this machine: its size and vocabularies."""
    described = {name: paths.PREPARED / name / "spec.json" for name in datasets}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in described.items()
        if path.is_file()
    }


def record(name: str, names: list[str], published: float | None = None) -> None:
    """Write ``results/full/<name>.json`` and ``.svg`` from the rows of chapters of one place.

    ``names``: keys of the chapters in the catalogue. ``published``: a quality of the uncompressed
    table. Raises ``StudyError`` for chapters of several places and for chapters without rows.
    """
    chapters = _chapters(names)
    place, keys = chapters[0].group, [chapter.key for chapter in chapters]
    if place == "tables":
        rows, verdicts = collect(keys).rows, []
    else:
        rows, verdicts = TextEvidence.collect(keys).rows, _verdicts(keys)
    kept = rows.select([c for c in _COLUMNS if c in rows.columns])
    content = {
        "settings": settings(rows),
        "data": _preparation(rows["dataset"].unique(maintain_order=True)),
        "environment": environment(),
        "rows": kept.to_dicts(),
    }
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
        return figures.families(kinds(sized), axes=figures.CODES)
    return figures.frontier(sized, axes=figures.ENCODERS)


def _verdicts(keys: list[str]) -> list[dict]:
    """The verdicts on the claims that ``claims.yaml`` makes on these chapters."""
    gathered = {key: TextEvidence.collect([key], _RESAMPLES) for key in keys}
    verdicts = claims.evaluate(gathered, claims.read(paths.ROOT / "claims.yaml"))
    if verdicts.is_empty():
        return []
    return verdicts.drop("text", "source").drop_nulls("effect").fill_nan(None).to_dicts()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the files in results/full")
    parser.add_argument("keys", nargs="+", help="of chapters of one place: as below results/")
    parser.add_argument("--published", type=float, help="a published AUC of the full table")
    arguments = parser.parse_args()
    try:
        record(arguments.name, arguments.keys, arguments.published)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
