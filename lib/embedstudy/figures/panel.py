"""Quality against bytes, a panel a data set and backbone: what the study's main charts share."""

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import polars as pl

from embedstudy.figures.axes import TABLES, Axes
from embedstudy.figures.lines import references
from embedstudy.figures.theme import BYTES
from embedstudy.measure.pareto import pareto
from embedstudy.study.evidence.comparisons import CELL, with_budget_names

_SAME = ["dataset", "backbone"]


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


@dataclass(frozen=True)
class Panel:
    """The points of one data set and backbone, and the encodings that its layers have in common.

    ``points``: as of ``points_of``, with a column ``front``. ``names``: what colour and shape tell
    apart on all panels, in the legend's order. One selection, in the first panel, serves all.
    """

    points: pl.DataFrame
    names: list[str]
    axes: Axes
    pick: alt.Parameter
    first: bool

    @property
    def front(self) -> pl.DataFrame:
        """The points on the Pareto front."""
        return self.points.filter(pl.col("front"))

    @property
    def x(self) -> alt.X:
        scaled = alt.X("serve_bytes:Q", title=self.axes.bytes_title).scale(
            type="log", nice=False, padding=30
        )
        return scaled.axis(labelExpr=BYTES, tickCount=6, labelOverlap="greedy", labelSeparation=8)

    @property
    def y(self) -> alt.Y:
        quality = self.axes.quality
        titled = alt.Y(f"{quality.column}:Q", title=f"{quality.title} (mean over seeds)")
        return titled.scale(zero=False).axis(format=self.axes.tick)

    def tooltip(self, *names: alt.Tooltip) -> list[alt.Tooltip]:
        """``names`` and the figures of a point."""
        quality, digits = self.axes.quality, self.axes.number
        return [
            *names,
            alt.Tooltip("budget_name:N", title="budget"),
            alt.Tooltip("serve_bytes:Q", title="bytes", format=","),
            alt.Tooltip(f"{quality.column}:Q", title=quality.title, format=digits),
            alt.Tooltip("lowest:Q", title="lowest seed", format=digits),
            alt.Tooltip("highest:Q", title="highest seed", format=digits),
        ]

    def rings(self, front: pl.DataFrame, size: int) -> alt.Chart:
        """Rings round the points of ``front``."""
        marks = alt.Chart(front).mark_point(
            size=size, filled=False, stroke="#444", strokeWidth=1.3, shape="circle"
        )
        return marks.encode(x=self.x, y=self.y)

    def clickable(self, marks: alt.Chart) -> alt.Chart:
        """``marks``, whose legend singles out what is clicked on all panels."""
        return marks.add_params(self.pick) if self.first else marks


def _with_front(points: pl.DataFrame, axes: Axes) -> pl.DataFrame:
    pairs = points.select("serve_bytes", axes.quality.column).rows()
    return points.with_columns(front=pl.Series(pareto(pairs, axes.slack), dtype=pl.Boolean))


def uncompressed_quality(rows: pl.DataFrame, cell: dict, axes: Axes) -> dict[str, float]:
    """Label and mean quality of the uncompressed model on a data set and backbone; empty if none."""
    same = [pl.col(name) == value for name, value in cell.items()]
    full = rows.filter(pl.col("method") == "full", pl.col("status") == "ok", *same)
    if full.is_empty():
        return {}
    return {full["label"][0]: full[axes.quality.column].mean()}


def panels(
    rows: pl.DataFrame,
    points: pl.DataFrame,
    column: str,
    names: list[str],
    layers: Callable[[Panel], list[alt.Chart]],
    axes: Axes,
    published: float | None = None,
    **size: int,
) -> alt.VConcatChart:
    """A panel for each data set and backbone of ``points``, the uncompressed model as a line.

    ``column``: what a click in the legend singles out, one of ``names``. ``layers``: draws a panel.
    ``published``: a second line. ``size``: width and height of a panel in pixels.
    """
    pick = alt.selection_point(fields=[column], bind="legend", name="pick")
    drawn: list[alt.LayerChart] = []
    for same, group in points.group_by(_SAME, maintain_order=True):
        panel = Panel(_with_front(group, axes), names, axes, pick, first=not drawn)
        values = uncompressed_quality(rows, dict(zip(_SAME, same, strict=True)), axes)
        if published is not None:
            values["published"] = published
        title = f"{', '.join(same)}: quality against bytes"
        layered = alt.layer(*layers(panel), *references(values, axes.quality))
        drawn.append(layered.properties(title=title, **size))
    return alt.vconcat(*drawn).resolve_scale(x="independent", y="independent")
