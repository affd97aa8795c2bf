"""A project of two chapters to render, the first of them executed; its catalogue and its charts."""

import altair as alt
import nbformat
import polars as pl
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from embedstudy.figures.theme import MIME
from embedstudy.pipeline.provenance import environment
from embedstudy.report.render import render

CHAPTERS = {
    "tables": {"one": {"notebook": "tables/10-one"}},
    "reading": {"frontier": {"notebook": "90-frontier"}},
}


def write_catalogue(root, groups):
    """``notebooks/chapters.yaml`` of a project; ``groups``: group -> name -> its entry."""
    path = root / "notebooks" / "chapters.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"chapters": groups}, sort_keys=False))


def chart(values):
    """The specification of a chart of two points."""
    frame = pl.DataFrame({"x": [1, 2], "y": values})
    return alt.Chart(frame, title="two points").mark_point().encode(x="x:Q", y="y:Q").to_dict()


def executed(*outputs):
    """An executed notebook with formulas, whose one code cell shows ``outputs``: data by type."""
    prose = "# One: with formulas\n\nIt costs $5; it is $a^2$, and\n\n$$\\frac{1}{2}$$"
    shown = [new_output("display_data", data) for data in outputs]
    return new_notebook(cells=[new_markdown_cell(prose), new_code_cell("1 + 1", outputs=shown)])


class Site:
    """The project at ``root``, the folder of the fixture ``project``."""

    def __init__(self, root):
        self.reports, self.results = root / "reports", root / "results"
        write_catalogue(root, CHAPTERS)
        unrun = new_notebook(cells=[new_markdown_cell("# Two: not run")])
        self.put(executed(), root / "notebooks" / "tables" / "10-one.ipynb")
        self.put(unrun, root / "notebooks" / "90-frontier.ipynb")
        self.run(chart([1, 2]), chart([3, 4]))

    @staticmethod
    def put(notebook, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def run(self, *specs, name="tables/10-one"):
        """Execute a chapter that shows charts."""
        self.show(*({MIME: spec} for spec in specs), name=name)

    def show(self, *outputs, name="tables/10-one"):
        """Execute a chapter that shows ``outputs``."""
        self.put(executed(*outputs), self.reports / "notebooks" / f"{name}.ipynb")

    def render(self):
        return render(environment())

    def page(self, name):
        return (self.reports / f"{name}.html").read_text()
