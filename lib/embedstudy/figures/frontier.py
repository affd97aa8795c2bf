"""Quality against bytes: the study's main chart."""

import altair as alt
import polars as pl

from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.theme import BYTES, look
from embedstudy.measure.pareto import pareto
from embedstudy.study.evidence.comparisons import CELL, with_budget_names


def points_of(rows: pl.DataFrame, axes: Axes = TABLES) -> pl.DataFrame:
    """One point a method and budget: mean, lowest and highest quality over seeds."""
    name = axes.quality.column
    quality = pl.col(name)
    ok = rows.filter((pl.col("status") == "ok") & (pl.col("method") != "full"))
    points = ok.group_by([*CELL, "family"], maintain_order=True).agg(
        **{name: quality.mean()}, lowest=quality.min(), highest=quality.max(),
        seeds=quality.count(), serve_bytes=pl.col("serve_bytes").max(),
    )  # fmt: skip
    return with_budget_names(points)


def _panel(
    points: pl.DataFrame,
    full: dict[str, float],
    title: str,
    names: list[str],
    pick: alt.Parameter,
    axes: Axes,
) -> alt.LayerChart:
    colour, shape, dash = look(names)
    quality = axes.quality
    front = pareto(points.select("serve_bytes", quality.column).rows(), axes.slack)
    points = points.with_columns(front=pl.Series(front))
    faded = alt.condition(pick, alt.value(1.0), alt.value(0.08))
    x = alt.X("serve_bytes:Q", title=axes.bytes_title).scale(
        type="log", nice=False, padding=24
    ).axis(labelExpr=BYTES, tickCount=6, labelOverlap="greedy", labelSeparation=8)  # fmt: skip
    y = alt.Y(f"{quality.column}:Q", title=f"{quality.title} (mean over seeds)")
    y = y.scale(zero=False).axis(format=axes.tick)
    base = alt.Chart(points).encode(
        x=x,
        color=alt.Color("label:N", scale=colour, title="method (click to single out)"),
        opacity=faded,
    )
    lines = base.mark_line(strokeWidth=1.6).encode(
        y=y, strokeDash=alt.StrokeDash("label:N", scale=dash, title="method (click to single out)")
    )
    spread = base.mark_rule(strokeWidth=1.2).encode(y=alt.Y("lowest:Q"), y2="highest:Q")
    tooltip = [
        alt.Tooltip("label:N", title="method"),
        alt.Tooltip("budget_name:N", title="budget"),
        alt.Tooltip("serve_bytes:Q", title="bytes", format=","),
        alt.Tooltip(f"{quality.column}:Q", title=quality.title, format=axes.number),
        alt.Tooltip("lowest:Q", title="lowest seed", format=axes.number),
        alt.Tooltip("highest:Q", title="highest seed", format=axes.number),
        alt.Tooltip("seeds:Q", title="seeds"),
    ]
    marks = base.mark_point(size=70, filled=True).encode(
        y=y,
        shape=alt.Shape("label:N", scale=shape, title="method (click to single out)"),
        tooltip=tooltip,
    )
    ring = alt.Chart(points.filter(pl.col("front"))).mark_point(
        size=230, filled=False, stroke="#444", strokeWidth=1.3, shape="circle"
    ).encode(x=x, y=y)  # fmt: skip
    layers = [lines, spread, marks, ring]
    for words, value in full.items():
        text = f"{words} {quality.plain(value)}"
        reference = alt.Chart(pl.DataFrame({"full": [value], "text": [text]}))
        layers.append(
            reference.mark_rule(strokeDash=[6, 4], color="#333", strokeWidth=1.4).encode(y="full:Q")
        )
        layers.append(
            reference.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color="#333").encode(
                y="full:Q", x=alt.value(0), text="text:N"
            )
        )
    return alt.layer(*layers).properties(width=560, height=340, title=title)


def uncompressed(rows: pl.DataFrame, cell: dict, axes: Axes) -> dict[str, float]:
    """Label and mean quality of the uncompressed model on a data set and backbone; empty if none."""
    same = [pl.col(name) == value for name, value in cell.items()]
    full = rows.filter(pl.col("method") == "full", pl.col("status") == "ok", *same)
    if full.is_empty():
        return {}
    return {full["label"][0]: full[axes.quality.column].mean()}


def frontier(rows: pl.DataFrame, title: str | None = None, axes: Axes = TABLES) -> alt.VConcatChart:
    """Quality against bytes, a panel for each data set and backbone.

    Points are means over seeds with a bar from the lowest to the highest; ringed points are on the
    Pareto front; the dashed line is the uncompressed model. Runs that are not ok are left out.
    """
    points = points_of(rows, axes)
    names = points["label"].unique(maintain_order=True).to_list()
    pick = alt.selection_point(fields=["label"], bind="legend", name="pick")
    panels = []
    for (dataset, backbone), group in points.group_by(["dataset", "backbone"], maintain_order=True):
        full = uncompressed(rows, {"dataset": dataset, "backbone": backbone}, axes)
        words = f"{dataset}, {backbone}: quality against bytes"
        panels.append(_panel(group, full, words, names, pick, axes))
    if panels:  # one selection, in the first panel, serves all
        panels[0].layer[0] = panels[0].layer[0].add_params(pick)
    chart = alt.vconcat(*panels).resolve_scale(x="independent", y="independent")
    return chart.properties(title=title) if title else chart
