"""Lines that charts of several modules draw alike: the uncompressed model, intervals."""

import altair as alt
import polars as pl

from embedstudy.figures.theme import COLOURS
from embedstudy.measure.units import Quality

GREY = "#333"


def uncompressed(frame: pl.DataFrame, **mark) -> alt.Chart:
    """The dashed line that stands for the uncompressed model; ``encode`` says where."""
    return alt.Chart(frame).mark_rule(**{"strokeDash": [6, 4], "color": GREY} | mark)


def zero(frame: pl.DataFrame) -> alt.Chart:
    """The uncompressed model where the axis is the difference to it."""
    return uncompressed(frame).encode(x=alt.datum(0))


def references(values: dict[str, float], quality: Quality) -> list[alt.Chart]:
    """A line across at each value, named at its left end: the first dashed, others dotted."""
    layers = []
    for number, (name, value) in enumerate(values.items()):
        frame = pl.DataFrame({"full": [value], "text": [f"{name} {quality.plain(value)}"]})
        dash, dx = ([6, 4], 4) if number == 0 else ([2, 3], 180)
        text = alt.Chart(frame).mark_text(
            align="left", baseline="bottom", dx=dx, dy=-3, color=GREY
        ).encode(y="full:Q", x=alt.value(0), text="text:N")  # fmt: skip
        layers += [uncompressed(frame, strokeDash=dash, strokeWidth=1.4).encode(y="full:Q"), text]
    return layers


def interval(base: alt.Chart, x: alt.X, tooltip: list) -> list[alt.Chart]:
    """A point at ``x`` on a bar from the columns ``low`` to ``high``."""
    point = base.mark_point(filled=True, size=60, color=COLOURS[0], opacity=1)
    bar = base.mark_rule(strokeWidth=2, color=COLOURS[0]).encode(x="low:Q", x2="high:Q")
    return [bar, point.encode(x=x, tooltip=tooltip)]
