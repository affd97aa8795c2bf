"""The pages of the report: one a chapter, and the index.

Every page is one file that loads nothing: style, scripts and charts are inside, links are relative.
"""

import functools
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from embedstudy.core import files, paths
from embedstudy.pipeline import provenance
from embedstudy.report import TEMPLATES, body, costs, index
from embedstudy.report.charts import bundle, templates
from embedstudy.report.pages import Page, executed, wall

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


def _navigation(path: str, pages: list[Page], link: Callable[[str], str]) -> list[dict]:
    """The parts of the study, each with the entries of its pages; ``path``: of the page shown."""
    parts: list[dict] = []
    for page in pages:
        heading = page.part or ("Across chapters" if parts else "")
        if not parts or parts[-1]["title"] != heading:
            parts.append({"title": heading, "entries": []})
        entry = {"href": link(page.path), "title": page.title, "here": page.path == path}
        parts[-1]["entries"].append(entry)
    return parts


def _frame(
    path: str, title: str, pages: list[Page], charts: int, link: Callable[[str], str]
) -> dict:
    """What every page holds: its title, the navigation, and the bundle if it has charts."""
    return {
        "title": title,
        "here": path,
        "home": link("index.html"),
        "parts": _navigation(path, pages, link),
        "css": _css(),
        "bundle": Markup(bundle()) if charts else "",
    }


def _neighbour(page: Page, pages: list[Page], step: int) -> dict | None:
    place = pages.index(page) + step
    if not 0 <= place < len(pages):
        return None
    return {"href": page.link(pages[place].path), "title": pages[place].title}


def chapter_page(page: Page, pages: list[Page]) -> str:
    """HTML of a chapter's page. ``pages``: all of them, in reading order."""
    inside = body.render(page)
    frame = _frame(page.path, page.title, pages, inside.charts, page.link)
    return (
        templates()
        .get_template("chapter.html.j2")
        .render(
            frame,
            headings=[*inside.headings, ("costs", "Measured on this machine")],
            body=Markup(inside.html),
            costs=costs.tables(page.chapter),
            identity=costs.TEXT,
            wall=wall(page.chapter),
            before=_neighbour(page, pages, -1),
            after=_neighbour(page, pages, 1),
        )
    )


def index_page(pages: list[Page], origin: dict) -> str:
    """HTML of the index. ``origin``: of the results, as of ``provenance.environment``."""
    content = index.content(pages)
    title = "How small can an embedding be?"
    frame = _frame("index.html", title, pages, len(content["charts"]), lambda path: path)
    template = templates().get_template("index.html.j2")
    return template.render(frame, headings=[], origin=origin, **content)


def render(origin: dict | None = None) -> Path:
    """Write ``pages/<chapter>.html`` for every chapter that was run, and ``index.html``.

    ``origin``: where the results come from, this machine and checkout by default. Returns the path
    of the index. Pages are written only once all of them could be made.

    Raises ``StudyError``: no executed notebook, or one that is unreadable or cannot be drawn.
    """
    pages = executed()
    texts = {page.path: chapter_page(page, pages) for page in pages}
    texts["index.html"] = index_page(pages, origin or provenance.environment())
    for path, html in texts.items():
        files.write_bytes(paths.REPORTS / path, html.encode())
    return paths.REPORTS / "index.html"
