"""Vega-Lite charts in a page that loads nothing: one bundle of Vega, one specification a chart."""

import functools
import hashlib
import json
import re

import jinja2
import vl_convert
from markupsafe import Markup

from embedstudy.core.errors import StudyError
from embedstudy.report import TEMPLATES
from embedstudy.report.words import FILTERS

_MIME = re.compile(r"application/vnd\.vegalite\.v\d+\+json")


@functools.cache
def bundle(names: str = "window.vegaEmbed=vegaEmbed;") -> str:
    """Vega, Vega-Lite and vega-embed as one script of some 900 kB that fetches nothing.

    ``names``: statements that make what the page calls global.
    """
    return vl_convert.javascript_bundle(names)


@functools.cache
def templates() -> jinja2.Environment:
    """The report's own templates; what they are given is escaped unless it is ``Markup``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(FILTERS)
    return environment


def spec_of(data: dict) -> dict | None:
    """The Vega-Lite specification in the data of a notebook's output, if it is a chart."""
    return next((value for name, value in data.items() if _MIME.fullmatch(name)), None)


def _sentence(spec: dict) -> str:
    """What a screen reader says instead of the chart: its description or its title."""
    title = spec.get("title", "")
    text = spec.get("description") or (title.get("text", "") if isinstance(title, dict) else title)
    return " ".join(text) if isinstance(text, list) else text


class Charts:
    """The charts of one page: gives each a name that depends only on its content."""

    def __init__(self, page: str):
        self.page = page
        self.count = 0
        self._seen: dict[str, int] = {}

    def __call__(self, spec: dict) -> Markup:
        """HTML of one chart: its place, named by the hash of ``spec``, and ``spec`` as JSON."""
        try:
            text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise StudyError(
                f"A chart in {self.page} holds NaN or an infinite number: write null instead."
            ) from error
        name = "chart-" + hashlib.sha256(text.encode()).hexdigest()[:12]
        self.count += 1
        self._seen[name] = again = self._seen.get(name, 0) + 1
        return Markup(
            templates()
            .get_template("chart.html.j2")
            .render(
                name=name if again == 1 else f"{name}-{again}",
                label=_sentence(spec) or "Chart",
                spec=Markup(text.replace("<", "\\u003c")),
            )
        )
