"""Every method of the study on one chart a data set: colour and shape tell the family."""

import altair as alt
import polars as pl

from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.frontier import points_of, uncompressed
from embedstudy.figures.theme import BYTES, look
from embedstudy.measure.pareto import pareto

_ORDER = [
    "baselines",
    "sharing_rows",
    "generated_rows",
    "fewer_bits",
    "fewer_dimensions",
    "fewer_nonzeros",
]


def _spoken(family: str) -> str:
    return family.replace("_", " ")


def _panel(
    points: pl.DataFrame,
    lines: dict[str, float],
    title: str,
    names: list[str],
    pick: alt.Parameter,
    axes: Axes,
) -> alt.LayerChart:
    colour, shape, _ = look(names)
    quality = axes.quality
    front = points.with_columns(
        front=pl.Series(pareto(points.select("serve_bytes", quality.column).rows(), axes.slack))
    ).filter(pl.col("front"))
    # A method whose budgets end in the same file is named once; neighbours on the front take turns,
    # a name above its point, the next one below.
    front = front.unique(["label", "serve_bytes"], keep="first", maintain_order=True)
    front = front.sort("serve_bytes", maintain_order=True).with_row_index("place")
    x = alt.X("serve_bytes:Q", title=axes.bytes_title).scale(
        type="log", nice=False, padding=30
    ).axis(labelExpr=BYTES, tickCount=6, labelOverlap="greedy", labelSeparation=8)  # fmt: skip
    y = alt.Y(f"{quality.column}:Q", title=f"{quality.title} (mean over seeds)")
    y = y.scale(zero=False).axis(format=axes.tick)
    marks = alt.Chart(points).mark_point(size=55, filled=True).encode(
        x=x,
        y=y,
        color=alt.Color("group:N", scale=colour, sort=names, title="family (click one)"),
        shape=alt.Shape("group:N", scale=shape, sort=names, title="family (click one)"),
        opacity=alt.condition(pick, alt.value(0.85), alt.value(0.06)),
        tooltip=[
            alt.Tooltip("label:N", title="method"),
            alt.Tooltip("group:N", title="family"),
            alt.Tooltip("budget_name:N", title="budget"),
            alt.Tooltip("serve_bytes:Q", title="bytes", format=","),
            alt.Tooltip(f"{quality.column}:Q", title=quality.title, format=axes.number),
            alt.Tooltip("lowest:Q", title="lowest seed", format=axes.number),
            alt.Tooltip("highest:Q", title="highest seed", format=axes.number),
        ],
    )  # fmt: skip
    step = alt.Chart(front).mark_line(
        interpolate="step-after", color="#888", strokeWidth=1.2
    ).encode(x=x, y=y)  # fmt: skip
    ring = alt.Chart(front).mark_point(
        size=200, filled=False, stroke="#444", strokeWidth=1.3, shape="circle"
    ).encode(x=x, y=y)  # fmt: skip
    layers = [step, marks, ring]
    for odd, dy in ((0, -13), (1, 15)):
        named = alt.Chart(front.filter(pl.col("place") % 2 == odd))
        layers.append(
            named.mark_text(dy=dy, fontSize=11, color="#222").encode(x=x, y=y, text="label:N")
        )
    for number, (words, value) in enumerate(lines.items()):
        text = f"{words} {quality.plain(value)}"
        line = alt.Chart(pl.DataFrame({"full": [value], "text": [text]}))
        dash, dx = ([6, 4], 4) if number == 0 else ([2, 3], 180)
        rule = line.mark_rule(strokeDash=dash, color="#333", strokeWidth=1.4)
        layers.append(rule.encode(y="full:Q"))
        layers.append(
            line.mark_text(align="left", baseline="bottom", dx=dx, dy=-3, color="#333").encode(
                y="full:Q", x=alt.value(0), text="text:N"
            )
        )
    return alt.layer(*layers).properties(width=590, height=400, title=title)


def families(
    rows: pl.DataFrame, published: float | None = None, axes: Axes = TABLES
) -> alt.VConcatChart:
    """Quality against bytes for all methods of a place, a panel a data set and backbone.

    A point is a method at a budget, the mean over seeds; ringed points, named and joined by a step
    line, are on the Pareto front; the dashed line is the uncompressed model, a dotted one its
    ``published`` quality where one is given.
    """
    points = points_of(rows, axes).with_columns(
        group=pl.col("family").str.replace_all("_", " ", literal=True)
    )
    there = points["family"].unique().to_list()
    names = [
        _spoken(name) for name in [*_ORDER, *sorted(set(there) - set(_ORDER))] if name in there
    ]
    pick = alt.selection_point(fields=["group"], bind="legend", name="pick")
    panels = []
    for (dataset, backbone), group in points.group_by(["dataset", "backbone"], maintain_order=True):
        title = f"{dataset}, {backbone}: quality against bytes"
        lines = uncompressed(rows, {"dataset": dataset, "backbone": backbone}, axes)
        if published is not None:
            lines["published"] = published
        panels.append(_panel(group, lines, title, names, pick, axes))
    if panels:  # one selection, in the first panel, serves all
        panels[0].layer[1] = panels[0].layer[1].add_params(pick)
    return alt.vconcat(*panels).resolve_scale(x="independent", y="independent")
