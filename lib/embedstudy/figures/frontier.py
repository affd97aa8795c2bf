"""Quality against bytes, a line a method: a chapter's main chart."""

import altair as alt
import polars as pl

from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.panel import Panel, panels, points_of
from embedstudy.figures.theme import look

_LEGEND = "method (click to single out)"


def _layers(panel: Panel) -> list[alt.Chart]:
    colour, shape, dash = look(panel.names)
    base = alt.Chart(panel.points).encode(
        x=panel.x,
        color=alt.Color("label:N", scale=colour, title=_LEGEND),
        opacity=alt.condition(panel.pick, alt.value(1.0), alt.value(0.08)),
    )
    lines = base.mark_line(strokeWidth=1.6).encode(
        y=panel.y, strokeDash=alt.StrokeDash("label:N", scale=dash, title=_LEGEND)
    )
    spread = base.mark_rule(strokeWidth=1.2).encode(y=alt.Y("lowest:Q"), y2="highest:Q")
    marks = base.mark_point(size=70, filled=True).encode(
        y=panel.y,
        shape=alt.Shape("label:N", scale=shape, title=_LEGEND),
        tooltip=[
            *panel.tooltip(alt.Tooltip("label:N", title="method")),
            alt.Tooltip("seeds:Q", title="seeds"),
        ],
    )
    return [panel.clickable(lines), spread, marks, panel.rings(panel.front, 230)]


def frontier(rows: pl.DataFrame, title: str | None = None, axes: Axes = TABLES) -> alt.VConcatChart:
    """Quality against bytes, a panel for each data set and backbone.

    Points are means over seeds with a bar from the lowest to the highest; ringed points are on the
    Pareto front; the dashed line is the uncompressed model. Runs that are not ok are left out.
    """
    points = points_of(rows, axes)
    names = points["label"].unique(maintain_order=True).to_list()
    chart = panels(rows, points, "label", names, _layers, axes, width=560, height=340)
    return chart.properties(title=title) if title else chart
