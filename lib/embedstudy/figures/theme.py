"""One look for all charts: colours, shapes, fonts, the renderer, SVG files."""

import os
from pathlib import Path

import altair as alt
import vl_convert

from embedstudy.core import files

# Okabe and Ito's palette, distinguishable with every common form of colour blindness. Yellow is
# left out (too light on white); shapes and dashes carry the difference on their own.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
DASHES = [[1, 0], [6, 3], [2, 2]]
MIME = "application/vnd.vegalite.v5+json"  # what JupyterLab draws by itself and nbformat accepts
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
FONT = "DejaVu Sans"

BYTES = "format(datum.value, '~s') + 'B'"  # Vega expression for a tick: 2kB, 1.5MB


@alt.theme.register("embedstudy", enable=False)
def _theme() -> alt.theme.ThemeConfig:
    text = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontSize": 13}
    return {
        "config": {
            "background": "white",
            "font": FONT,
            "axis": text | {"gridColor": "#e5e5e5", "domainColor": "#888", "titlePadding": 8},
            "legend": text | {"labelLimit": 260, "titleLimit": 260, "symbolSize": 90},
            "header": text,
            "title": {"font": FONT, "fontSize": 14, "anchor": "start"},
            "view": {"stroke": "#cccccc"},
            "range": {"category": COLOURS, "symbol": SHAPES},
        }
    }


def _words(spec: dict) -> str:
    words = spec.get("title") or spec.get("description") or "chart"
    return words if isinstance(words, str) else words.get("text", "chart")


def _render(spec: dict) -> dict:
    """What a notebook keeps of a chart, a form for each reader.

    JupyterLab and the report draw the specification. nbconvert and GitHub cannot, so a notebook run
    by hand holds the chart as SVG too, which is less than half the size of a PNG. The pipeline
    leaves it out: its notebooks would grow fourfold for a picture that the report never shows.
    """
    forms = {MIME: spec | {"$schema": _SCHEMA}, "text/plain": _words(spec)}
    if not os.environ.get("EMBEDSTUDY_PIPELINE"):
        forms["image/svg+xml"] = vl_convert.vegalite_to_svg(spec)
    return forms


def enable() -> None:
    """Use the theme and the renderer: forms of a chart that papermill can save.

    Altair's own renderers either name a type that nbformat refuses or load scripts from the
    network.
    """
    alt.theme.enable("embedstudy")
    alt.renderers.register("embedstudy", _render)
    alt.renderers.enable("embedstudy")


def look(names: list[str]) -> tuple[alt.Scale, alt.Scale, alt.Scale]:
    """Scales (colour, shape, dash) that tell up to 42 names apart without relying on colour."""
    count = len(names)
    colours = [COLOURS[i % len(COLOURS)] for i in range(count)]
    shapes = [SHAPES[i % len(SHAPES)] for i in range(count)]
    dashes = [DASHES[(i // len(COLOURS)) % len(DASHES)] for i in range(count)]
    return (
        alt.Scale(domain=names, range=colours),
        alt.Scale(domain=names, range=shapes),
        alt.Scale(domain=names, range=dashes),
    )


def save_svg(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a chart as SVG; the same chart gives the same bytes."""
    alt.theme.enable("embedstudy")
    files.write_bytes(path, vl_convert.vegalite_to_svg(chart.to_dict()).encode())
