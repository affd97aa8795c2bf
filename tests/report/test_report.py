import json
import re

import altair as alt
import nbformat
import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from embedstudy.core.errors import StudyError
from embedstudy.figures.theme import MIME
from embedstudy.pipeline.provenance import environment
from embedstudy.report import words
from embedstudy.report.charts import Charts, bundle
from embedstudy.report.formulas import mathml, to_html
from embedstudy.report.render import render

LOADS = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']?(?:https?:)?//", re.I)


def chart(values):
    frame = pl.DataFrame({"x": [1, 2], "y": values})
    return alt.Chart(frame, title="two points").mark_point().encode(x="x:Q", y="y:Q").to_dict()


def executed(*specs):
    outputs = [new_output("display_data", {MIME: spec}) for spec in specs]
    prose = "# One: with formulas\n\nIt costs $5; it is $a^2$, and\n\n$$\\frac{1}{2}$$"
    return new_notebook(cells=[new_markdown_cell(prose), new_code_cell("1 + 1", outputs=outputs)])


class Site:
    """A project of two chapters, the first of them executed."""

    def __init__(self, folder):
        self.reports, self.results = folder / "reports", folder / "results"
        self.notebooks = folder / "notebooks"
        two = new_notebook(cells=[new_markdown_cell("# Two: not run")])
        self.put(executed(), self.notebooks / "tables" / "10-one.ipynb")
        self.put(two, self.notebooks / "90-two.ipynb")
        self.run(chart([1, 2]), chart([3, 4]))

    @staticmethod
    def put(notebook, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def run(self, *specs):
        self.put(executed(*specs), self.reports / "notebooks" / "tables" / "10-one.ipynb")

    def render(self):
        return render(self.reports, self.results, self.notebooks, environment())

    def page(self, name):
        return (self.reports / f"{name}.html").read_text()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_pages_load_nothing_and_hold_the_bundle_once_where_there_are_charts(site):
    site.render()
    page, index = site.page("tables/10-one"), site.page("index")
    assert page.count(bundle()) == 1
    assert page.count('class="chart"') == 2
    assert page.count("<math") == 2
    assert "It costs $5; it is" in page
    assert bundle() not in index
    assert not LOADS.search(page + index)


def test_navigation_leads_to_pages_that_exist(site):
    site.render()
    found = 0
    for page in site.reports.rglob("*.html"):
        for target in re.findall(r'href="([^"#:]+\.html)"', page.read_text()):
            assert (page.parent / target).resolve().is_file(), (page, target)
            found += 1
    assert found > 2


def test_a_chapter_that_was_not_run_is_named_on_the_index(site):
    site.render()
    assert "Two: not run" in site.page("index")
    assert not (site.reports / "90-two.html").exists()


def test_two_renders_give_the_same_bytes(site):
    def everything():
        site.render()
        return {path: path.read_bytes() for path in site.reports.rglob("*.html")}

    assert everything() == everything()


def test_a_broken_notebook_is_one_sentence(site):
    (site.reports / "notebooks" / "tables" / "10-one.ipynb").write_text("{")
    with pytest.raises(StudyError, match="10-one.ipynb"):
        site.render()


def test_a_chart_with_nan_is_refused():
    with pytest.raises(StudyError, match="holds NaN"):
        Charts("page.html")(chart([1, 2]) | {"width": float("nan")})


def test_measured_costs_are_shown_where_they_were_measured(site):
    site.render()
    assert "44" not in site.page("tables/10-one").partition('id="costs"')[2]
    identity = {"key": ["k"], "dataset": ["d"], "backbone": ["b"], "label": ["hash"]}
    costs = {"key": ["k"], "train_seconds": [2.5], "lookup_us_1": [3.0], "lookup_us_4096": [44.0]}
    for folder, name, frame in (
        (site.results, "rows", identity | {"budget": [0.1], "seed": [0]}),
        (site.reports, "times", costs),
    ):
        (folder / "one").mkdir(parents=True)
        pl.DataFrame(frame).write_parquet(folder / "one" / f"{name}.parquet")
    site.render()
    shown = site.page("tables/10-one").partition('id="costs"')[2]
    assert "44" in shown
    assert "hash" in shown


def test_verdicts_are_on_the_index_with_their_effects(site):
    line = {"id": "a", "text": "A beats B", "source": "somewhere", "dataset": "movielens"}
    line |= {"verdict": "holds", "effect": 0.012, "low": 0.01, "high": 0.014}
    (site.results / "claims").mkdir(parents=True)
    (site.results / "claims" / "verdicts.json").write_text(json.dumps([line]))
    site.render()
    index = site.page("index")
    assert "A beats B" in index
    assert "+0.0120" in index
    (site.results / "claims" / "verdicts.json").write_text("[{}]")
    with pytest.raises(StudyError, match="does not hold verdicts"):
        site.render()


def test_formulas_become_mathml_and_unknown_commands_are_refused():
    assert "<mfrac>" in mathml(r"\frac{1}{2}")
    assert "<math" not in to_html("`$x$` and from $5 to $10")
    with pytest.raises(StudyError, match="nosuchcommand"):
        mathml(r"\nosuchcommand x")


def test_words():
    assert [words.duration(s) for s in (14.7, 135, 7320)] == ["15 s", "2 min 15 s", "2 h 2 min"]
    assert words.signed(-0.5) == "−0.5000"
    assert words.signed(None) == "–"
    assert "<a href=" in words.linked("see https://example.org/x, <b>")
    assert "<b>" not in words.linked("see https://example.org/x, <b>")
