"""What the first page of the report shows: headline charts, best methods, verdicts, chapters."""

from embedstudy.core import catalogue, paths
from embedstudy.measure.units import AUC, budget_name
from embedstudy.report.charts import Charts, spec_of
from embedstudy.report.pages import Page, read, title, wall
from embedstudy.report.words import interval, signed
from embedstudy.study.evidence import claims, frontier

_BEST_TEXT = ("data", "backbone", "budget", "best method")


def _specs(page: Page | None) -> list[dict]:
    """The charts of a page's notebook, in order."""
    cells = [] if page is None else page.notebook.cells
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "data" in output]
    return [spec for output in outputs if (spec := spec_of(output["data"])) is not None]


def _best() -> tuple | None:
    """Headings, rows and text columns of the best method a budget; None before it was computed."""
    best = frontier.read()
    if best is None:
        return None
    rows = [
        [
            line["dataset"],
            line["backbone"],
            budget_name(line["budget"]),
            line["label"],
            AUC.plain(line["test_auc"]),
            signed(line["delta"]),
            interval(line),
            f"{line['serve_bytes']:,.0f}",
        ]
        for line in best.to_dicts()
    ]
    return [*_BEST_TEXT, "test AUC", "difference", "95 % interval", "bytes"], rows, _BEST_TEXT


def _verdicts() -> list[dict]:
    """The claims with their lines (a line a data set), in the file's order."""
    grouped: dict[str, dict] = {}
    for line in claims.read_verdicts():
        claim = {"text": line["text"], "source": line["source"], "lines": []}
        grouped.setdefault(line["id"], claim)["lines"].append(line)
    return list(grouped.values())


def _chapters(pages: list[Page]) -> list[dict]:
    """A line a chapter of the catalogue; those that were not run have no link."""
    by_key = {page.chapter.key: page for page in pages}
    lines = []
    for chapter in catalogue.chapters():
        page = by_key.get(chapter.key)
        if page is None:
            notebook = read(paths.NOTEBOOKS / f"{chapter.notebook}.ipynb")
            line = {"href": None, "title": title(notebook, chapter.notebook), "wall": None}
        else:
            line = {"href": page.path, "title": page.title, "wall": wall(chapter)}
        lines.append(line)
    return lines


def content(pages: list[Page]) -> dict:
    """What ``index.html.j2`` shows, by name. ``pages``: of the chapters that were run, in order."""
    headline = next((page for page in pages if page.chapter.key == frontier.KEY), None)
    charts = Charts("the index")
    lines = _chapters(pages)
    return {
        "frontier": headline,
        "charts": [charts(spec) for spec in _specs(headline)],
        "best": _best(),
        "verdicts": _verdicts(),
        "chapters": lines,
        "total": sum(line["wall"]["seconds"] for line in lines if line["wall"]),
    }
