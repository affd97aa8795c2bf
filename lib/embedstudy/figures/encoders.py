"""Charts of the chapters on encoders and codes."""

import altair as alt
import polars as pl

from embedstudy.figures import lines
from embedstudy.figures.theme import COLOURS, look


def qualities(rows: pl.DataFrame, published: pl.DataFrame | None = None) -> alt.LayerChart:
    """Quality of each retriever on each task; a tick is the published figure.

    ``rows``: one a run and task. ``published``: dataset, published.
    """
    ok = rows.filter(pl.col("status") == "ok").select("dataset", "label", "quality")
    names = ok["label"].unique(maintain_order=True).to_list()
    colour, shape, _ = look(names)
    y = alt.Y("dataset:N", title=None, sort=None)
    x = alt.X("quality:Q", title="nDCG@10 × 100 or Spearman × 100").scale(domain=[0, 100])
    layers = [
        alt.Chart(ok)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("label:N", scale=colour, title="retriever"),
            shape=alt.Shape("label:N", scale=shape, title="retriever"),
            tooltip=["dataset:N", "label:N", alt.Tooltip("quality:Q", format=".2f")],
        )
    ]
    if published is not None and not published.is_empty():
        ticks = alt.Chart(published).mark_tick(thickness=2, size=20, color=lines.GREY)
        tooltip = ["dataset:N", alt.Tooltip("published:Q", format=".2f")]
        layers.append(ticks.encode(x="published:Q", y=y, tooltip=tooltip))
    return alt.layer(*layers).properties(width=560, height=alt.Step(24))


def parts(frame: pl.DataFrame) -> alt.LayerChart:
    """Bytes of each part of an encoder. ``frame``: part, bytes, share."""
    base = alt.Chart(frame).encode(
        y=alt.Y("part:N", title=None, sort=None),
        x=alt.X("bytes:Q", title="bytes of fp32 parameters").axis(
            labelExpr="format(datum.value, '~s') + 'B'"
        ),
    )
    bars = base.mark_bar(color=COLOURS[0]).encode(tooltip=["part:N", "bytes:Q"])
    words = base.mark_text(align="left", dx=4, color=lines.GREY).encode(
        text=alt.Text("share:Q", format=".1%")
    )
    return alt.layer(bars, words).properties(width=460, height=alt.Step(24))


def effects(frame: pl.DataFrame, title: str) -> alt.TopLevelMixin:
    """Differences with their 95 % intervals, a panel a task.

    ``frame``: dataset, label, delta, low, high. The dashed line at zero is what is compared with.
    """
    base = alt.Chart(frame).encode(y=alt.Y("label:N", title=None, sort=None).axis(labelLimit=260))
    tooltip = ["label:N", *(alt.Tooltip(f"{n}:Q", format="+.2f") for n in ("delta", "low", "high"))]
    x = alt.X("delta:Q", title=title)
    layered = alt.layer(lines.zero(frame), *lines.interval(base, x, tooltip)).properties(
        width=300, height=alt.Step(19)
    )
    order = frame["dataset"].unique(maintain_order=True).to_list()
    return layered.facet(facet=alt.Facet("dataset:N", title=None, sort=order), columns=2)


def slopes(frame: pl.DataFrame) -> alt.TopLevelMixin:
    """nDCG@10 × 100 of each codec before and after rescoring, a panel a task.

    ``frame``: dataset, label, before, after.
    """
    long = frame.unpivot(["before", "after"], index=["dataset", "label"], variable_name="when")
    names = frame["label"].unique(maintain_order=True).to_list()
    colour, shape, dash = look(names)
    base = alt.Chart(long).encode(
        x=alt.X("when:N", title="rescoring", sort=["before", "after"]).axis(labelAngle=0),
        y=alt.Y("value:Q", title=None).scale(zero=False),
        color=alt.Color("label:N", scale=colour, title="first stage"),
    )
    layered = alt.layer(
        base.mark_line().encode(strokeDash=alt.StrokeDash("label:N", scale=dash, legend=None)),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            shape=alt.Shape("label:N", scale=shape, title="first stage"),
            tooltip=["dataset:N", "label:N", "when:N", alt.Tooltip("value:Q", format=".2f")],
        ),
    ).properties(width=130, height=260)
    order = frame["dataset"].unique(maintain_order=True).to_list()
    return layered.facet(column=alt.Column("dataset:N", title=None, sort=order)).resolve_scale(
        y="independent"
    )
