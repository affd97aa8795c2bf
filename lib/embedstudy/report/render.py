"""Pages of the report: one a chapter, and the index."""

import json
from dataclasses import dataclass
from pathlib import Path

import nbformat
import polars as pl
from markupsafe import Markup

from embedstudy import paths
from embedstudy.errors import StudyError
from embedstudy.report.cells import STYLES, body
from embedstudy.report.charts import TEMPLATES, Charts, bundle, templates
from embedstudy.report.tables import table
from embedstudy.study import atomic, provenance
from embedstudy.study.evidence import budget_name
from embedstudy.study.params import chapters, section_name

_COSTS = {
    "dataset": "data set",
    "label": "method",
    "budget": "budget",
    "train_seconds": "training, s",
    "lookup_us_1": "look-up of 1 event, µs",
    "lookup_us_4096": "look-up of 4,096 events, µs",
}
_VERDICTS = {
    "text": "claim",
    "dataset": "data set",
    "verdict": "verdict",
    "effect": "difference of AUC",
    "low": "from",
    "high": "to",
    "left": "between",
    "right": "and",
}


@dataclass(frozen=True)
class Chapter:
    """One page: ``name`` such as tables/11-baselines, its title, its executed notebook if any."""

    name: str
    title: str
    notebook: nbformat.NotebookNode | None

    @property
    def page(self) -> str:
        return f"{self.name}.html"


def _title(notebook: nbformat.NotebookNode, fallback: str) -> str:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ")
    return fallback


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds for a broken file
        raise StudyError(f"{path} is not a readable notebook: run its chapter again.") from error


def load_chapters() -> list[Chapter]:
    """Every committed chapter in reading order, with its executed notebook where there is one."""
    found = []
    for name in chapters():
        executed = paths.REPORTS / "notebooks" / f"{name}.ipynb"
        committed = _read(paths.NOTEBOOKS / f"{name}.ipynb")
        notebook = _read(executed) if executed.is_file() else None
        found.append(Chapter(name, _title(committed, name), notebook))
    return found


def _page(
    chapter: Chapter | None, everything: list[Chapter], title: str, content: Markup, charts: Charts
) -> str:
    """The frame around a page: navigation, style, and the bundle where there are charts."""
    up = "../" * (chapter.name.count("/") if chapter else 0)
    return templates().get_template("page.html.j2").render(
        title=title,
        up=up,
        here=chapter.name if chapter else None,
        chapters=everything,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8") + STYLES),
        content=content,
        bundle=Markup(bundle()) if charts.count else None,
    )  # fmt: skip


def costs(chapter: Chapter) -> Markup:
    """The times measured on this machine for a chapter's runs, mean over seeds."""
    section = section_name(chapter.name)
    times, rows = (
        paths.REPORTS / section / "times.parquet",
        paths.RESULTS / section / "rows.parquet",
    )
    if not rows.is_file():
        return Markup("")
    heading = Markup("<h2>Costs measured on this machine</h2>")
    if not times.is_file():
        return heading + Markup("<p>The runs were restored from a cache, not measured here.</p>")
    identity = pl.read_parquet(rows, columns=["key", "dataset", "backbone", "label", "budget"])
    joined = identity.join(pl.read_parquet(times), on="key", how="left", maintain_order="left")
    cell = ["dataset", "backbone", "label", "budget"]
    means = joined.group_by(cell, maintain_order=True).agg(pl.col(list(_COSTS)[3:]).mean())
    named = means.with_columns(pl.col("budget").map_elements(budget_name, return_dtype=pl.String))
    note = Markup(
        "<p>Means over seeds, wall time of one thread. Other runs ran beside them, so small "
        "differences mean nothing; these numbers are no part of any verdict.</p>"
    )
    return heading + note + table(named.drop_nulls("train_seconds"), _COSTS)


def render_chapter(chapter: Chapter, everything: list[Chapter]) -> str:
    """A chapter's page."""
    charts = Charts(chapter.page)
    if chapter.notebook is None:
        content = Markup(
            "<h1>{}</h1><p>This chapter has not been run yet: <code>dvc repro</code>.</p>"
        ).format(chapter.title)
    else:
        content = body(chapter.notebook, charts) + costs(chapter)
    return _page(chapter, everything, chapter.title, content, charts)


# -- index ------------------------------------------------------------------------------------
def _json(path: Path) -> object | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _headline(everything: list[Chapter], charts: Charts) -> Markup:
    """The first chart of the frontier chapter."""
    for chapter in everything:
        if chapter.name.endswith("frontier") and chapter.notebook is not None:
            for cell in chapter.notebook.cells:
                for item in cell.get("outputs", []):
                    for mime, spec in item.get("data", {}).items():
                        if "vegalite" in mime:
                            return charts(spec)
    return Markup("<p>The frontier has not been drawn yet.</p>")


def _run_times(everything: list[Chapter]) -> pl.DataFrame:
    lines = []
    for chapter in everything:
        wall = _json(paths.REPORTS / section_name(chapter.name) / "wall.json") or {}
        lines.append(
            {
                "chapter": chapter.title,
                "profile": wall.get("profile"),
                "seconds": wall.get("seconds"),
            }
        )
    return pl.DataFrame(
        lines, schema={"chapter": pl.String, "profile": pl.String, "seconds": pl.Float64}
    )


def render_index(everything: list[Chapter]) -> str:
    """The front page: headline charts, verdicts, where and how it was computed."""
    charts = Charts("index.html")
    verdicts = _json(paths.RESULTS / "claims" / "verdicts.json")
    content = templates().get_template("index.html.j2").render(
        headline=_headline(everything, charts),
        verdicts=table(pl.DataFrame(verdicts, infer_schema_length=None), _VERDICTS) if verdicts else None,
        times=table(
            _run_times(everything),
            {"chapter": "chapter", "profile": "profile", "seconds": "last run, s"},
        ),
        environment=provenance.environment(),
        chapters=everything,
    )  # fmt: skip
    return _page(None, everything, "How small can an embedding be?", Markup(content), charts)


def write() -> Path:
    """Render all pages below ``reports/`` and return the path of the index.

    Raises ``StudyError`` for a notebook that cannot be read or a chart that holds NaN.
    """
    everything = load_chapters()
    for chapter in everything:
        atomic.write_bytes(
            paths.REPORTS / chapter.page, render_chapter(chapter, everything).encode()
        )
    index = paths.REPORTS / "index.html"
    atomic.write_bytes(index, render_index(everything).encode())
    return index
