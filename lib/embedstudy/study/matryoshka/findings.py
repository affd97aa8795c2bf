"""What chapter 21 says: methods compared at the sizes that were named before anything was run."""

import polars as pl

from embedstudy.encoders.matryoshka.submodels import Size
from embedstudy.measure.units import POINTS
from embedstudy.study.evidence.text_evidence import TextEvidence
from embedstudy.study.matryoshka.grid import size_budget


def primary(evidence: TextEvidence, sizes: list[Size], rival: str) -> pl.DataFrame:
    """The primary outcome: quality averaged over ``sizes``, and its difference to ``rival``.

    Columns: dataset, label, quality, delta with its 95 % interval (low, high).
    """
    budgets = [size_budget(tuple(size)) for size in sizes]
    rows = evidence.ok.filter(pl.col("budget").is_in(budgets))
    lines = []
    for (dataset,), group in rows.group_by("dataset", maintain_order=True):
        right = group.filter(pl.col("label") == rival)
        for (label,), left in group.group_by("label", maintain_order=True):
            effect = evidence.effect(left, right)
            lines.append(
                {"dataset": dataset, "label": label, "quality": left["quality"].mean()}
                | {"delta": effect.effect, "low": effect.low, "high": effect.high}
            )
    return pl.DataFrame(lines).sort("dataset", "quality", descending=[False, True])


def versus(evidence: TextEvidence, sizes: list[Size], pairs: list[tuple[str, str]]) -> list[str]:
    """One sentence a task and pair of methods: quality over ``sizes``, the first minus the second.

    Pairs with a method that has no finished run at these sizes are left out.
    """
    rows = evidence.ok.filter(pl.col("budget").is_in([size_budget(tuple(s)) for s in sizes]))
    said = []
    for left, right in pairs:
        for (dataset,), group in rows.group_by("dataset", maintain_order=True):
            sides = [group.filter(pl.col("label") == label) for label in (left, right)]
            effect = evidence.effect(*sides)
            if effect is not None:
                said.append(
                    f"{dataset}: {left} minus {right}: {POINTS.signed(effect.effect)} points "
                    f"({POINTS.signed(effect.low)} to {POINTS.signed(effect.high)})."
                )
    return said


def by_size(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean quality of every method, a column a size. ``rows``: one a run and task."""
    named = rows.with_columns(
        size=pl.col("layers").cast(pl.String) + " × " + pl.col("dim").cast(pl.String)
    )
    order = named.unique(["layers", "dim", "size"]).sort("layers", "dim")["size"].to_list()
    wide = named.group_by("dataset", "label", "size", maintain_order=True).agg(
        pl.col("quality").mean()
    )
    return wide.pivot("size", index=["dataset", "label"], values="quality").select(
        "dataset", "label", *order
    )


def findings(table: pl.DataFrame, rival: str) -> list[str]:
    """One sentence a task: who is ahead of ``rival``, who behind, who not told apart."""
    said = []
    for (dataset,), group in table.group_by("dataset", maintain_order=True):
        best = group.row(0, named=True)
        others = group.filter(pl.col("label") != rival)
        ahead = others.filter(pl.col("low") > 0)["label"].to_list()
        behind = others.filter(pl.col("high") < 0)["label"].to_list()
        same = others.filter((pl.col("low") <= 0) & (pl.col("high") >= 0))["label"].to_list()
        said.append(
            f"{dataset}: {best['label']} is best ({POINTS.plain(best['quality'])} points, "
            f"{POINTS.signed(best['delta'])} to {rival}, {POINTS.signed(best['low'])} to "
            f"{POINTS.signed(best['high'])}). Ahead of {rival}: {_listed(ahead)}; not told apart: "
            f"{_listed(same)}; behind: {_listed(behind)}."
        )
    return said


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
