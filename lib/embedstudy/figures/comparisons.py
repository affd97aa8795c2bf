"""Differences with their intervals: against the full table, by slice, and by claim."""

import altair as alt
import polars as pl

from embedstudy.figures import lines
from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.theme import COLOURS
from embedstudy.measure.units import budget_name
from embedstudy.study.evidence.comparisons import with_budget_names

_BLUE, _ORANGE, _GREEN = COLOURS[0], COLOURS[1], COLOURS[2]


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    panel = pl.col("dataset") + ", " + pl.col("backbone")
    return with_budget_names(frame).with_columns(panel=panel)


def _by_budget(layered: alt.LayerChart, frame: pl.DataFrame) -> alt.TopLevelMixin:
    """A panel a budget across, a data set and backbone down."""
    budgets = [budget_name(b) for b in frame["budget"].unique().sort(descending=True)]
    return layered.facet(
        column=alt.Column("budget_name:N", title="budget: fraction of the bytes", sort=budgets),
        row=alt.Row("panel:N", title=None),
    ).resolve_scale(x="independent")


def deltas(comparison: pl.DataFrame, axes: Axes = TABLES) -> alt.TopLevelMixin:
    """Difference of quality to the uncompressed model, a panel a budget.

    A bar is the 95 % interval. The dashed line at zero is the uncompressed model.
    """
    frame = _named(comparison)
    name = axes.quality.column
    x = alt.X("delta:Q", title=f"{axes.quality.name} minus uncompressed")
    y = alt.Y("label:N", title=None, sort=None)
    base = alt.Chart(frame).encode(y=y)
    tooltip = ["label:N", "budget_name:N", *_numbers("delta", "low", "high", name)]
    layered = alt.layer(lines.zero(frame), *lines.interval(base, x, tooltip)).properties(
        width=185, height=alt.Step(20)
    )
    return _by_budget(layered, frame)


def _numbers(*names: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format="+.4f") for name in names]


def slices(rows: pl.DataFrame) -> alt.TopLevelMixin:
    """Loss of AUC on hot, cold and unseen events against the full table, mean over seeds."""
    kinds = ["hot", "cold", "unseen"]
    columns = [f"test_auc_{kind}" for kind in kinds]
    # A slice too small to be measured on any data set is null throughout, and then has no type.
    rows = rows.with_columns(pl.col(columns).cast(pl.Float64))
    same = ["dataset", "backbone", "seed"]
    full = rows.filter(pl.col("method") == "full").select(
        *same, **{f"full_{column}": pl.col(column) for column in columns}
    )
    ok = rows.filter((pl.col("status") == "ok") & (pl.col("method") != "full")).join(full, on=same)
    cell = ["dataset", "backbone", "label", "budget"]
    means = ok.group_by(cell, maintain_order=True).agg(
        **{kind: (pl.col(c) - pl.col(f"full_{c}")).mean() for kind, c in zip(kinds, columns)}  # noqa: B905
    )
    frame = _named(means.unpivot(kinds, index=cell, variable_name="slice", value_name="delta"))
    frame = frame.drop_nulls("delta")
    scale = alt.Scale(domain=kinds, range=[_ORANGE, _BLUE, _GREEN])
    shapes = alt.Scale(domain=kinds, range=["circle", "square", "triangle-up"])
    points = alt.Chart(frame).mark_point(filled=True, size=60, opacity=0.9).encode(
        y=alt.Y("label:N", title=None, sort=None),
        x=alt.X("delta:Q", title="AUC minus uncompressed"),
        color=alt.Color("slice:N", scale=scale, sort=kinds).legend(title="events", orient="top"),
        shape=alt.Shape("slice:N", scale=shapes, sort=kinds).legend(title="events", orient="top"),
        tooltip=["label:N", "budget_name:N", "slice:N", *_numbers("delta")],
    )  # fmt: skip
    layered = alt.layer(lines.zero(frame), points).properties(width=185, height=alt.Step(20))
    return _by_budget(layered, frame)


def train_bytes(rows: pl.DataFrame) -> alt.TopLevelMixin:
    """Bytes that training holds as a multiple of the fp32 table, a panel a budget.

    The dashed line is the full table's training: weights, gradients and two moments of Adam.
    """
    ok = rows.filter(pl.col("status") == "ok")
    share = pl.col("train_bytes") / pl.col("full_bytes")
    cell = ["dataset", "backbone", "label", "method", "budget"]
    means = _named(ok.group_by(cell, maintain_order=True).agg(share=share.mean()))
    full = means.filter(pl.col("method") == "full").select("panel", full="share")
    frame = means.filter(pl.col("method") != "full").join(full, on="panel", how="left")
    base = alt.Chart(frame).encode(y=alt.Y("label:N", title=None, sort=None))
    layered = alt.layer(
        lines.uncompressed(frame).encode(x="max(full):Q"),
        base.mark_point(filled=True, size=60, color=_BLUE, opacity=1).encode(
            x=alt.X("share:Q", title="training bytes / table bytes").scale(zero=True),
            tooltip=["label:N", "budget_name:N", alt.Tooltip("share:Q", format=".2f")],
        ),
    ).properties(width=185, height=alt.Step(20))
    return _by_budget(layered, frame)


def claims(verdicts: pl.DataFrame) -> alt.VConcatChart:
    """Effect of each claim with its 95 % interval, a panel a data set; the tick is its margin."""
    decided = verdicts.drop_nulls("effect")
    panels = [
        _claims_panel(group, f"{dataset}, {backbone}")
        for (dataset, backbone, _), group in decided.group_by(
            ["dataset", "backbone", "unit"], maintain_order=True
        )
    ]
    return alt.vconcat(*panels).resolve_scale(x="independent", y="independent")


def _claims_panel(frame: pl.DataFrame, title: str) -> alt.LayerChart:
    kinds = ["holds", "does not hold", "not decided"]
    scale = alt.Scale(domain=kinds, range=[_GREEN, _ORANGE, "#666666"])
    shapes = alt.Scale(domain=kinds, range=["circle", "triangle-down", "square"])
    colour = alt.Color("verdict:N", scale=scale, title="verdict")
    unit = frame["unit"][0]
    base = alt.Chart(frame).encode(y=alt.Y("id:N", title=None, sort=None).axis(labelLimit=260))
    return alt.layer(
        lines.zero(frame),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", color=colour),
        base.mark_tick(thickness=2, color="#000", size=16).encode(x="margin:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("effect:Q", title=f"difference, {unit} (95 % interval; tick: margin)"),
            color=colour,
            shape=alt.Shape("verdict:N", scale=shapes, title="verdict"),
            tooltip=[
                "text:N",
                "left:N",
                "right:N",
                *_numbers("effect", "low", "high"),
                "verdict:N",
            ],
        ),
    ).properties(width=380, height=alt.Step(22), title=title)
