"""Which method for which need: the cheapest one whose loss of quality is still acceptable.

The view of "Experimental Analysis of Large-scale Learnable Vector Storage Compression" (VLDB 2024,
its discussion of use cases), computed from rows.
"""

import polars as pl

from embedstudy.measure.units import budget_name
from embedstudy.study.evidence.comparisons import CELL

_SAME = ["dataset", "backbone"]
CASES = {  # column -> (the need, whether the smallest is best)
    "serve_bytes": ("smallest file to serve", True),
    "train_bytes": ("least memory in training", True),
    "lookup_us_4096": ("fastest look-up of 4,096 events, µs", True),
    "train_seconds": ("shortest to build, s", True),
    "test_auc_unseen": ("events with values unseen in training, AUC", False),
}


def _cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Means over seeds, one line a method and budget, with the loss to the full table."""
    columns = ["valid_auc", "test_auc", *(name for name in CASES if name in rows.columns)]
    ok = rows.filter(pl.col("status") == "ok")
    means = ok.group_by([*CELL, "family", "method"], maintain_order=True).agg(
        pl.col(columns).cast(pl.Float64).mean()
    )
    full = means.filter(pl.col("method") == "full")
    full = full.select(*_SAME, full_valid="valid_auc", full_test="test_auc")
    return means.filter(pl.col("family") != "reference").join(
        full, on=_SAME, how="left", maintain_order="left"
    )


def use_cases(rows: pl.DataFrame, tolerance: float = 0.01) -> pl.DataFrame:
    """For each need the best method among those that lose at most ``tolerance`` of validation AUC.

    ``rows``: of all chapters; needs whose column is absent (times, in a notebook) are left out.
    Columns: dataset, backbone, need, label, budget, value, test_auc, delta (of test AUC to the full
    table). A method's cost counts, not its rank in quality: beyond the tolerance, cheaper wins.
    """
    cells = _cells(rows).filter(pl.col("valid_auc") >= pl.col("full_valid") - tolerance)
    lines = []
    for same, group in cells.group_by(_SAME, maintain_order=True):
        for column, (need, smallest) in CASES.items():
            if column not in group.columns or group[column].null_count() == len(group):
                continue
            best = group.drop_nulls(column).sort(
                column, "label", "budget", descending=[not smallest, False, False]
            )
            line = best.row(0, named=True)
            lines.append(
                dict(zip(_SAME, same, strict=True))
                | {"need": need, "label": line["label"], "budget": budget_name(line["budget"])}
                | {"value": line[column], "test_auc": line["test_auc"]}
                | {"delta": line["test_auc"] - line["full_test"]}
            )
    schema = dict.fromkeys((*_SAME, "need", "label", "budget"), pl.String)
    schema |= dict.fromkeys(("value", "test_auc", "delta"), pl.Float64)
    return pl.DataFrame(lines, schema)
