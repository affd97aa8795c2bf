"""From an executed notebook to the inside of its page."""

import re
from dataclasses import dataclass

from bs4 import BeautifulSoup
from jinja2 import FileSystemLoader, pass_context
from nbconvert import HTMLExporter
from traitlets.config import Config

from embedstudy.core.errors import StudyError
from embedstudy.report import TEMPLATES, formulas, frames
from embedstudy.report.charts import Charts, spec_of
from embedstudy.report.pages import Page

_ADDRESSES = (  # what nbconvert would fetch from the network
    "require_js_url",
    "mathjax_url",
    "mermaid_js_url",
    "mermaid_layout_elk_js_url",
    "jquery_url",
    "widget_renderer_url",
    "jupyter_widgets_base_url",
)
_PRIORITY = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]


@dataclass(frozen=True)
class Body:
    """HTML of a chapter, its number of charts, and its second-level headings as (id, text)."""

    html: str
    charts: int
    headings: list[tuple[str, str]]


class _Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, context, source):
        return formulas.to_html(source, context.get("cell", {}).get("attachments"))


def _exporter(charts: Charts) -> HTMLExporter:
    exporter = _Exporter(
        template_name="base",
        template_file="body.html.j2",
        extra_loaders=[FileSystemLoader(TEMPLATES)],
        config=Config({"NbConvertBase": {"display_data_priority": _PRIORITY}}),
        **dict.fromkeys(_ADDRESSES, ""),
    )
    exporter.register_filter("spec", spec_of)
    exporter.register_filter("chart", charts)
    exporter.register_filter("tidy", frames.tidy)
    return exporter


_SOURCES = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


def _remote(soup: BeautifulSoup) -> str | None:
    """An address that opening the page would load, or None."""
    for name, attribute in _SOURCES.items():
        for tag in soup.find_all(name):
            if re.match(r"(https?:)?//", tag.get(attribute, "")):
                return tag[attribute]
    return None


_FOREIGN = {"script", "iframe", "object", "embed", "form", "base", "meta", "link"}
_ADDRESSED = {"href", "src", "xlink:href", "action", "formaction", "data"}
_HARMFUL = re.compile(r"\s*(javascript|vbscript|data:text)", re.IGNORECASE)


def _active(soup: BeautifulSoup) -> str | None:
    """What a page would run or obey besides the report's own scripts, or None."""
    for tag in soup.find_all(True):
        if tag.name in _FOREIGN and tag.get("type") != "application/json":
            return f"<{tag.name}>"
        for name, value in tag.attrs.items():
            if name.startswith("on") or (name in _ADDRESSED and _HARMFUL.match(value)):
                return f"{name}={str(value)[:40]}"
    return None


def render(page: Page) -> Body:
    """The inside of a page.

    Raises ``StudyError`` for a formula that cannot be drawn, a chart that holds NaN, and content that
    opening the page would run or load from the network.
    """
    name = page.chapter.notebook
    charts = Charts(f"chapter {name}")
    try:
        html, _ = _exporter(charts).from_notebook_node(page.notebook)
    except StudyError as error:
        raise StudyError(f"Chapter {name}: {error}") from error
    soup = BeautifulSoup(html, "html.parser")
    address = _remote(soup)
    if address:
        raise StudyError(
            f"Chapter {name} would load {address} when opened: put it into the notebook."
        )
    if foreign := _active(soup):
        raise StudyError(f"Chapter {name} would run what it shows ({foreign}): show it as text.")
    for anchor in soup.select("a.anchor-link"):
        anchor["aria-hidden"], anchor["tabindex"] = "true", "-1"
    for table in soup.select(".markdown table"):
        table.wrap(soup.new_tag("div", attrs={"class": "table", "tabindex": "0"}))
    headings = [
        (heading["id"], "".join(t for t in heading.strings if t != "#"))
        for heading in soup.find_all("h2", id=True)
    ]
    return Body(str(soup), charts.count, headings)
