"""The pages of the report: one a chapter, and the index.

Every page is one file that loads nothing: style, scripts and charts are inside, links are relative.
"""

import functools
from pathlib import Path

from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from embedstudy.core import files, paths
from embedstudy.pipeline import provenance
from embedstudy.report import body, costs, index, pages
from embedstudy.report.charts import TEMPLATES, bundle, templates
from embedstudy.report.pages import Chapter

_CODE = {"light": "xcode", "dark": "github-dark"}  # pygments styles


@functools.cache
def _css() -> Markup:
    """The style sheet, with the colours of code on light and on dark paper."""
    coloured = [
        f"@media (prefers-color-scheme: {scheme}) {{\n"
        + HtmlFormatter(style=style, nobackground=True).get_style_defs(".highlight")
        + "\n}"
        for scheme, style in _CODE.items()
    ]
    return Markup("\n".join([*coloured, (TEMPLATES / "style.css").read_text(encoding="utf-8")]))


def _frame(page: str, title: str, known: list[Chapter], charts: int, link) -> dict:
    """What every page holds: its title, the navigation, and the bundle if it has charts."""
    parts: list[dict] = []
    for one in known:
        if not parts or parts[-1]["title"] != one.part:
            parts.append({"title": one.part, "entries": []})
        entry = {"href": link(one.page), "title": one.title, "here": one.page == page}
        parts[-1]["entries"].append(entry)
    return {
        "title": title,
        "here": page,
        "home": link("index.html"),
        "parts": parts,
        "css": _css(),
        "bundle": Markup(bundle()) if charts else "",
    }


def _neighbour(known: list[Chapter], place: int, chapter: Chapter) -> dict | None:
    if not 0 <= place < len(known):
        return None
    return {"href": chapter.link(known[place].page), "title": known[place].title}


def chapter_page(chapter: Chapter, known: list[Chapter], reports: Path, results: Path) -> str:
    """HTML of a chapter's page. ``known``: all chapters, in reading order."""
    inside = body.render(chapter)
    place = known.index(chapter)
    frame = _frame(chapter.page, chapter.title, known, inside.charts, chapter.link)
    return (
        templates()
        .get_template("chapter.html.j2")
        .render(
            frame,
            headings=[*inside.headings, ("costs", "Measured on this machine")],
            body=Markup(inside.html),
            measured=costs.measured(chapter.section, reports, results),
            identity=costs.TEXT,
            wall=pages.wall(reports, chapter),
            before=_neighbour(known, place - 1, chapter),
            after=_neighbour(known, place + 1, chapter),
        )
    )


def index_page(
    known: list[Chapter], reports: Path, results: Path, notebooks: Path, made: dict
) -> str:
    """HTML of the index. ``made``: provenance, as of ``provenance.environment``."""
    content = index.content(known, reports, results, notebooks)
    title = "How small can an embedding be?"
    frame = _frame("index.html", title, known, len(content["charts"]), lambda page: page)
    return (
        templates().get_template("index.html.j2").render(frame, headings=[], made=made, **content)
    )


def render(
    reports: Path = paths.REPORTS,
    results: Path = paths.RESULTS,
    notebooks: Path = paths.NOTEBOOKS,
    made: dict | None = None,
) -> Path:
    """Write ``<chapter>.html`` for every notebook below ``reports/notebooks``, and ``index.html``.

    ``results``: where claims and the names of runs are read. ``notebooks``: the chapters there
    are, to tell which were not run. ``made``: provenance, of this machine and checkout by default.
    Returns the path of the index. Pages are written only once all of them could be made.

    Raises ``StudyError``: no executed notebook, or one that is unreadable or cannot be drawn.
    """
    known = pages.executed(reports)
    written = {one.page: chapter_page(one, known, reports, results) for one in known}
    made = made or provenance.environment()
    written["index.html"] = index_page(known, reports, results, notebooks, made)
    for page, html in written.items():
        files.write_bytes(reports / page, html.encode())
    return reports / "index.html"
