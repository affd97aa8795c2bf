"""What chapter 22 says: which compressor of the word table wins, what recovery and trimming do."""

import polars as pl

from embedstudy.measure.units import POINTS, budget_name
from embedstudy.study.evidence.comparisons import nearest
from embedstudy.study.evidence.text_evidence import TextEvidence
from embedstudy.study.word_table.grid import RECOVERED

_RECOVERY = {"dataset": pl.String, "label": pl.String, "budget": pl.Float64} | dict.fromkeys(
    ("delta", "low", "high"), pl.Float64
)


def findings(evidence: TextEvidence, comparison: pl.DataFrame) -> list[str]:
    """``comparison``: every method against the whole encoder, a line a task, method and budget."""
    return [
        *nearest(comparison, POINTS, "the whole encoder"),
        *_recovered(recovery(evidence)),
        *_trimming(evidence, comparison),
    ]


def fitted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without those of encoders that were distilled after their table was fitted."""
    return rows.filter(~pl.col("label").str.ends_with(RECOVERED))


def recovery(evidence: TextEvidence) -> pl.DataFrame:
    """What distillation adds to each method over its own form without.

    Columns: dataset, label (of the form without), budget, delta in points with its 95 % interval
    (low, high).
    """
    lines = []
    after = evidence.ok.filter(pl.col("label").str.ends_with(RECOVERED))
    cells = after.select("dataset", "label", "budget").unique(maintain_order=True)
    for cell in cells.to_dicts():
        same = [pl.col(name) == cell[name] for name in ("dataset", "budget")]
        before = cell["label"].removesuffix(RECOVERED)
        effect = evidence.effect(
            after.filter(*same, pl.col("label") == cell["label"]),
            evidence.ok.filter(*same, pl.col("label") == before),
        )
        if effect is not None:
            line = {"delta": effect.effect, "low": effect.low, "high": effect.high}
            lines.append(cell | {"label": before} | line)
    return pl.DataFrame(lines, schema=_RECOVERY)


def _recovered(table: pl.DataFrame) -> list[str]:
    return [
        f"{line['dataset']}: recovery adds {POINTS.signed(line['delta'])} points to {line['label']} "
        f"at {budget_name(line['budget'])} of the table ({POINTS.signed(line['low'])} to "
        f"{POINTS.signed(line['high'])})."
        for line in table.to_dicts()
    ]


def _trimming(evidence: TextEvidence, comparison: pl.DataFrame) -> list[str]:
    """What share of the quality each trimmed vocabulary keeps."""
    said = []
    full = evidence.ok.filter(pl.col("method") == "full")
    whole = dict(full.group_by("dataset").agg(pl.col("quality").mean()).rows())
    trimmed = comparison.filter(pl.col("label") == "trimmed")
    for (dataset,), group in trimmed.group_by("dataset", maintain_order=True):
        kept = [
            f"{1 + line['delta'] / whole[dataset]:.1%} with {line['budget']:.4g} of the pieces"
            for line in group.sort("budget", descending=True).to_dicts()
        ]
        said.append(f"{dataset}: trimming keeps {', '.join(kept)}.")
    return said
