"""Every method of the study on one chart a data set: colour and shape tell the family."""

import altair as alt
import polars as pl

from embedstudy.figures.frontier import points_of
from embedstudy.figures.theme import BYTES, look
from embedstudy.study.pareto import SLACK, pareto

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
) -> alt.LayerChart:
    colour, shape, _ = look(names)
    front = points.with_columns(
        front=pl.Series(pareto(points.select("serve_bytes", "test_auc").rows(), SLACK))
    ).filter(pl.col("front"))
    # Neighbours on the front take turns: a name above its point, the next one below.
    front = front.sort("serve_bytes").with_row_index("place")
    x = alt.X("serve_bytes:Q", title="bytes of the served file (log scale)").scale(
        type="log", nice=False, padding=30
    ).axis(labelExpr=BYTES, tickCount=6)  # fmt: skip
    y = alt.Y("test_auc:Q", title="test AUC (mean over seeds)").scale(zero=False).axis(format=".3f")
    marks = alt.Chart(points).mark_point(size=55, filled=True).encode(
        x=x,
        y=y,
        color=alt.Color("group:N", scale=colour, sort=names, title="family (click to single out)"),
        shape=alt.Shape("group:N", scale=shape, sort=names, title="family (click to single out)"),
        opacity=alt.condition(pick, alt.value(0.85), alt.value(0.06)),
        tooltip=[
            alt.Tooltip("label:N", title="method"),
            alt.Tooltip("group:N", title="family"),
            alt.Tooltip("budget_name:N", title="budget"),
            alt.Tooltip("serve_bytes:Q", title="bytes", format=","),
            alt.Tooltip("test_auc:Q", title="test AUC", format=".4f"),
            alt.Tooltip("lowest:Q", title="lowest seed", format=".4f"),
            alt.Tooltip("highest:Q", title="highest seed", format=".4f"),
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
    for number, (words, auc) in enumerate(lines.items()):
        line = alt.Chart(pl.DataFrame({"auc": [auc], "text": [f"{words} {auc:.4f}"]}))
        dash, dx = ([6, 4], 4) if number == 0 else ([2, 3], 180)
        rule = line.mark_rule(strokeDash=dash, color="#333", strokeWidth=1.4)
        layers.append(rule.encode(y="auc:Q"))
        layers.append(
            line.mark_text(align="left", baseline="bottom", dx=dx, dy=-3, color="#333").encode(
                y="auc:Q", x=alt.value(0), text="text:N"
            )
        )
    return alt.layer(*layers).properties(width=660, height=400, title=title)


def families(rows: pl.DataFrame, published: float | None = None) -> alt.VConcatChart:
    """Test AUC against bytes of the served file for all methods, a panel a data set and backbone.

    A point is a method at a budget, the mean over seeds; ringed points, named and joined by a step
    line, are on the Pareto front; the dashed line is the uncompressed table, a dotted one its
    ``published`` AUC where one is given.
    """
    points = points_of(rows).with_columns(
        group=pl.col("family").str.replace_all("_", " ", literal=True)
    )
    there = points["family"].unique().to_list()
    names = [
        _spoken(name) for name in [*_ORDER, *sorted(set(there) - set(_ORDER))] if name in there
    ]
    pick = alt.selection_point(fields=["group"], bind="legend", name="pick")
    panels = []
    for (dataset, backbone), group in points.group_by(["dataset", "backbone"], maintain_order=True):
        same = (pl.col("dataset") == dataset) & (pl.col("backbone") == backbone)
        full = rows.filter(same & (pl.col("method") == "full"))["test_auc"].mean()
        title = f"{dataset}, {backbone}: quality against bytes"
        lines = {"full table": full, "published": published}
        lines = {words: auc for words, auc in lines.items() if auc is not None}
        panels.append(_panel(group, lines, title, names, pick))
    if panels:  # one selection, in the first panel, serves all
        panels[0].layer[1] = panels[0].layer[1].add_params(pick)
    return alt.vconcat(*panels).resolve_scale(x="independent", y="independent")
