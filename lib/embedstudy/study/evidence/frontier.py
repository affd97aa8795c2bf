"""The frontier over all chapters: the best method for each budget."""

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.measure.units import budget_name
from embedstudy.study.engine.rows import write_frame
from embedstudy.study.evidence.comparisons import Evidence

KEY = "frontier"  # its chapter in the catalogue
_FILE = "best.parquet"
_COLUMNS = [
    "dataset", "backbone", "budget", "label", "test_auc", "delta", "low", "high", "serve_bytes",
]  # fmt: skip


def best_per_budget(evidence: Evidence) -> pl.DataFrame:
    """For each data set, backbone and budget the method with the best mean *validation* AUC.

    Columns: dataset, backbone, budget, label, family, valid_auc, test_auc, delta to the full table
    with its 95 % interval (low, high), serve_bytes.
    """
    cell = ["dataset", "backbone", "budget"]
    methods = evidence.ok.filter(pl.col("family") != "reference")
    means = methods.group_by([*cell, "label", "family"], maintain_order=True).agg(
        pl.col("valid_auc", "test_auc").mean(), pl.col("serve_bytes").max()
    )
    best = means.sort([*cell, "valid_auc"], descending=[False, False, True, True])
    lines = []
    for line in best.unique(cell, keep="first", maintain_order=True).to_dicts():
        same = [pl.col(name) == line[name] for name in ("dataset", "backbone")]
        left = methods.filter([*same, *(pl.col(n) == line[n] for n in ("label", "budget"))])
        full = evidence.ok.filter([*same, pl.col("method") == "full"])
        effect = evidence.effect(left, full)
        difference = dict.fromkeys(("delta", "low", "high"))
        if effect is not None:
            difference = {"delta": effect.effect, "low": effect.low, "high": effect.high}
        lines.append(line | difference)
    return pl.DataFrame(lines)


def write(best: pl.DataFrame) -> None:
    """Keep what ``best_per_budget`` gave in the chapter's results, for the report's first page."""
    write_frame(best, paths.results_of(KEY) / _FILE)


def read() -> pl.DataFrame | None:
    """The table that ``write`` kept when the pipeline ran the chapter; None before that.

    Raises ``StudyError`` if the file is not such a table.
    """
    path = paths.RESULTS / KEY / _FILE
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path, columns=_COLUMNS)
    except pl.exceptions.PolarsError as error:
        raise StudyError(
            f"{path} does not hold the best methods: run 'dvc repro --force {KEY}' to write it again."
        ) from error


def findings(best: pl.DataFrame) -> list[str]:
    """One sentence a data set, backbone and budget."""
    sentences = []
    for line in best.drop_nulls("delta").to_dicts():
        verdict = (
            "which this test split cannot tell from no loss"
            if line["low"] <= 0 <= line["high"]
            else "a loss"
            if line["high"] < 0
            else "a gain"
        )
        sentences.append(
            f"{line['dataset']}, {line['backbone']}, {budget_name(line['budget'])} of the bytes: "
            f"{line['label']} ({line['serve_bytes']:,} bytes) reaches a test AUC of "
            f"{line['test_auc']:.4f}, {line['delta']:+.4f} against the full table "
            f"(95 % interval {line['low']:+.4f} to {line['high']:+.4f}), {verdict}."
        )
    return sentences
