"""Small pictures: which stored row serves which id, where the bytes are, how skewed ids are."""

import altair as alt
import polars as pl

from embedstudy.figures.theme import BYTES, COLOURS


def rows_picture(frame: pl.DataFrame, title: str) -> alt.Chart:
    """Ids across, stored rows down; a dark square: the row takes part in the id's vector.

    ``frame``: id, row (its name), used.
    """
    return (
        alt.Chart(
            frame.with_columns(state=pl.when("used").then(pl.lit("yes")).otherwise(pl.lit("no")))
        )
        .mark_rect(stroke="white", strokeWidth=2)
        .encode(
            x=alt.X("id:O", title="id").axis(labelAngle=0),
            y=alt.Y("row:O", title="stored row", sort=None),
            color=alt.Color("state:N", title="serves the id").scale(
                domain=["yes", "no"], range=[COLOURS[0], "#eeeeee"]
            ),
            tooltip=["id:O", "row:O", "state:N"],
        )
        .properties(width=alt.Step(30), height=alt.Step(22), title=title)
    )


def allocation(frame: pl.DataFrame, dim: int) -> alt.TopLevelMixin:
    """How many of ``dim`` dimensions the ids of each field kept, frequent ids left, a panel a method.

    ``frame``: label, field, start, end (shares of the field's ids), dims.
    """
    base = alt.Chart(frame).encode(y=alt.Y("field:N", title=None, sort=None))
    shares = alt.X("start:Q", title="ids, most frequent first").scale(domain=[0, 1])
    bars = base.mark_bar(stroke="white").encode(
        x=shares.axis(format="%", tickCount=3),
        x2="end:Q",
        color=alt.Color("dims:Q", title="dimensions").scale(scheme="viridis", domain=[0, dim]),
        tooltip=[
            "label:N",
            "field:N",
            alt.Tooltip("start:Q", format=".1%"),
            alt.Tooltip("end:Q", format=".1%"),
            alt.Tooltip("dims:Q", format=".1f"),
        ],
    )
    names = frame["label"].unique(maintain_order=True).to_list()
    return bars.properties(width=200, height=alt.Step(20)).facet(
        facet=alt.Facet("label:N", title=None, sort=names), columns=3
    )


def show_cardinality(frame: pl.DataFrame) -> alt.TopLevelMixin:
    """Bytes of each field's rows (fp32), a panel a data set. ``frame``: dataset, field, rows,
    bytes, share."""
    bars = (
        alt.Chart(frame)
        .mark_bar(color=COLOURS[0])
        .encode(
            x=alt.X("bytes:Q", title="bytes of the field's fp32 rows").axis(
                labelExpr=BYTES, tickCount=5
            ),
            y=alt.Y("field:N", title=None, sort="-x"),
            tooltip=[
                "field:N",
                alt.Tooltip("rows:Q", format=","),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    label = bars.mark_text(align="left", dx=4, color="#333").encode(
        text=alt.Text("rows:Q", format=",")
    )
    layered = alt.layer(bars, label).properties(width=440, height=alt.Step(20))
    return layered.facet(row=alt.Row("dataset:N", title=None)).resolve_scale(
        x="independent", y="independent"
    )


def show_skew(frame: pl.DataFrame) -> alt.TopLevelMixin:
    """Frequency against rank, both logarithmic, points and fitted line, a panel a data set."""
    panels = []
    for (dataset, field), group in frame.group_by(["dataset", "field"], maintain_order=True):
        base = alt.Chart(group).encode(
            x=alt.X("rank:Q", title="rank of the id").scale(type="log").axis(format="~s")
        )
        y = alt.Y("frequency:Q", title="events in training").scale(type="log").axis(format="~s")
        points = base.mark_point(filled=True, color=COLOURS[0], size=30, opacity=1).encode(
            y=y, tooltip=["rank:Q", "frequency:Q"]
        )
        line = base.mark_line(color=COLOURS[1], strokeDash=[6, 3]).encode(y="fitted:Q")
        title = f"{dataset}: field '{field}', dashed: fitted power law"
        panels.append(alt.layer(points, line).properties(width=330, height=240, title=title))
    return alt.hconcat(*panels)
