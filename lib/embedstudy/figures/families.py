"""Every method of a place on one chart a data set: colour and shape tell the family."""

import altair as alt
import polars as pl

from embedstudy.core import catalogue
from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.panel import Panel, panels, points_of
from embedstudy.figures.theme import look

_LEGEND = "family (click one)"


def _in_order(families: set[str]) -> list[str]:
    """Families in the catalogue's order; those that no chapter is named after come last."""
    order = [chapter.name for chapter in catalogue.chapters()]
    return [name for name in [*order, *sorted(families - set(order))] if name in families]


def _named(front: pl.DataFrame) -> pl.DataFrame:
    """Points of the front with their place on it; methods whose budgets end in the same file once."""
    once = front.unique(["label", "serve_bytes"], keep="first", maintain_order=True)
    return once.sort("serve_bytes", maintain_order=True).with_row_index("place")


def _layers(panel: Panel) -> list[alt.Chart]:
    colour, shape, _ = look(panel.names)
    marks = alt.Chart(panel.points).mark_point(size=55, filled=True).encode(
        x=panel.x,
        y=panel.y,
        color=alt.Color("group:N", scale=colour, sort=panel.names, title=_LEGEND),
        shape=alt.Shape("group:N", scale=shape, sort=panel.names, title=_LEGEND),
        opacity=alt.condition(panel.pick, alt.value(0.85), alt.value(0.06)),
        tooltip=panel.tooltip(
            alt.Tooltip("label:N", title="method"), alt.Tooltip("group:N", title="family")
        ),
    )  # fmt: skip
    front = _named(panel.front)
    step = alt.Chart(front).mark_line(interpolate="step-after", color="#888", strokeWidth=1.2)
    layers = [step.encode(x=panel.x, y=panel.y), panel.clickable(marks), panel.rings(front, 200)]
    for odd, dy in ((0, -13), (1, 15)):  # neighbours take turns: a name above, the next one below
        text = alt.Chart(front.filter(pl.col("place") % 2 == odd)).mark_text(
            dy=dy, fontSize=11, color="#222"
        )
        layers.append(text.encode(x=panel.x, y=panel.y, text="label:N"))
    return layers


def families(
    rows: pl.DataFrame, published: float | None = None, axes: Axes = TABLES
) -> alt.VConcatChart:
    """Quality against bytes for all methods of a place, a panel a data set and backbone.

    A point is a method at a budget, the mean over seeds; ringed points, named and joined by a step
    line, are on the Pareto front; the dashed line is the uncompressed model, a dotted one its
    ``published`` quality where one is given.
    """
    points = points_of(rows, axes)
    words = {name: name.replace("_", " ") for name in _in_order(set(points["family"]))}
    points = points.with_columns(group=pl.col("family").replace(words))
    names = list(words.values())
    return panels(rows, points, "group", names, _layers, axes, published, width=590, height=400)
