import json
import re

import altair as alt
import polars as pl
import pytest
from bs4 import BeautifulSoup
from tiny_site import Site, chart

from embedstudy import notebook
from embedstudy.core.errors import StudyError
from embedstudy.figures.theme import MIME
from embedstudy.report import words
from embedstudy.report.charts import Charts, bundle
from embedstudy.report.formulas import mathml, to_html
from embedstudy.study.evidence import frontier

LOADS = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']?(?:https?:)?//", re.I)


@pytest.fixture
def site(project):
    return Site(project)


def test_pages_load_nothing_and_hold_the_bundle_once_where_there_are_charts(site):
    site.render()
    page, index = site.page("pages/tables/10-one"), site.page("index")
    assert page.count(bundle()) == 1
    assert page.count('class="chart"') == 2
    assert page.count("<math") == 2
    assert "It costs $5; it is" in page
    assert bundle() not in index
    assert not LOADS.search(page + index)


def test_a_chart_with_a_picture_beside_it_is_drawn_once_from_its_specification(site):
    site.show({MIME: chart([1, 2]), "image/svg+xml": "<svg>only for GitHub</svg>"})
    site.render()
    page = site.page("pages/tables/10-one")
    assert page.count('class="chart"') == 1
    assert "only for GitHub" not in page


def test_navigation_leads_to_pages_that_exist(site):
    site.render()
    links = 0
    for page in site.reports.rglob("*.html"):
        for target in re.findall(r'href="([^"#:]+\.html)"', page.read_text()):
            assert (page.parent / target).resolve().is_file(), (page, target)
            links += 1
    assert links > 2


def test_pages_share_no_folder_with_what_chapters_measured(site):
    site.render()
    pages = {path.relative_to(site.reports).parts[0] for path in site.reports.rglob("*.html")}
    assert pages == {"index.html", "pages"}


def test_a_chapter_that_was_not_run_is_named_on_the_index(site):
    site.render()
    assert "Two: not run" in site.page("index")
    assert not (site.reports / "pages" / "90-frontier.html").exists()


def test_chapters_across_places_have_a_part_of_their_own(site):
    site.run(name="90-frontier")
    site.render()
    parts = re.findall(r'<li class="part">(.*)</li>', site.page("index"))
    assert parts == ["Tables", "Across chapters"]


def test_a_notebook_that_the_catalogue_does_not_list_is_left_out(site):
    site.run(name="tables/09-gone")
    site.render()
    assert not (site.reports / "pages" / "tables" / "09-gone.html").exists()


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


def write(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(frame).write_parquet(path)


def test_measured_costs_are_shown_where_they_were_measured(site):
    site.render()
    assert "44" not in site.page("pages/tables/10-one").partition('id="costs"')[2]
    identity = {"key": ["k"], "dataset": ["d"], "backbone": ["b"], "label": ["hash"]}
    costs = {"key": ["k"], "train_seconds": [2.5], "lookup_us_1": [3.0], "lookup_us_4096": [44.0]}
    for folder, name, frame in (
        (site.results, "rows", identity | {"budget": [0.1], "seed": [0]}),
        (site.reports, "times", costs),
    ):
        write(folder / "tables" / "one" / f"{name}.parquet", frame)
    site.render()
    shown = site.page("pages/tables/10-one").partition('id="costs"')[2]
    for text in ("44", "hash", "1/10"):
        assert f">{text}<" in shown


def test_costs_of_runs_on_text_have_no_data_set(site):
    rows = {"key": ["k", "l"], "backbone": ["b"] * 2, "label": ["trim"] * 2, "budget": [0.5] * 2}
    for folder, name, frame in (
        (site.results, "rows", rows),
        (site.reports, "times", {"key": ["k", "l"], "train_seconds": [2.0, 4.0]}),
    ):
        write(folder / "tables" / "one" / f"{name}.parquet", frame)
    site.render()
    shown = site.page("pages/tables/10-one").partition('id="costs"')[2]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown)
    assert cells == ["b", "1/2", "trim", "3.00", "2"]


BEST = {"dataset": "movielens", "backbone": "dcnv2", "budget": 0.1, "label": "int4 rows"}
BEST |= {"test_auc": 0.81236, "delta": -0.00125, "low": -0.002, "high": 0.0004}
BEST |= {"serve_bytes": 123456}


def test_the_best_methods_are_read_from_the_frontiers_own_table(site):
    site.render()
    assert "int4 rows" not in site.page("index")
    frontier.write(
        pl.DataFrame([BEST, BEST | {"dataset": "calls"} | dict.fromkeys(["delta", "low", "high"])])
    )
    site.render()
    rows = site.page("index").partition('id="best"')[2].partition("</table>")[0].split("<tr>")[2:]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    assert cells == [
        [
            "movielens",
            "dcnv2",
            "1/10",
            "int4 rows",
            "0.8124",
            "−0.0013",
            "−0.0020 to +0.0004",
            "123,456",
        ],
        ["calls", "dcnv2", "1/10", "int4 rows", "0.8124", "–", "–", "123,456"],
    ]


def test_a_table_without_the_columns_of_best_methods_is_one_sentence(site):
    frontier.write(pl.DataFrame({"dataset": ["movielens"]}))
    with pytest.raises(StudyError, match="does not hold the best methods"):
        site.render()


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


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def actions(page):
    """What a page would run besides the report's own scripts: scripts, events."""
    soup = BeautifulSoup(page, "html.parser")
    data = "application/json"  # what a chart is drawn of, which nothing runs
    scripts = [one for one in soup.find_all("script") if one.get("type") != data]
    events = [name for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]
    return [one.text for one in scripts if "alert(" in one.text], events


def test_claims_labels_and_errors_run_nothing_wherever_they_are_shown(site, project):
    """As sentences, in tables, in charts, as printed text, on the index and in the navigation."""
    frame = pl.DataFrame({SCRIPT: [SCRIPT]})
    labels = pl.DataFrame({"x": [1], "label": [SCRIPT]})
    drawn = alt.Chart(labels, title=SCRIPT).mark_point().encode(x="x:Q", color="label:N")
    shown = [
        {"text/markdown": notebook.sentences([SCRIPT, f"{SCRIPT} failed: {SCRIPT}"]).data},
        {"text/html": frame._repr_html_(), "text/plain": str(frame)},
        {MIME: drawn.to_dict()},
        {"text/plain": SCRIPT},
    ]
    site.show(*shown)
    identity = {"key": ["k"], "dataset": [SCRIPT], "backbone": ["b"], "label": [SCRIPT]}
    costs = {"key": ["k"], "train_seconds": [2.5]}
    write(site.results / "tables/one/rows.parquet", identity | {"budget": [0.1], "seed": [0]})
    write(site.reports / "tables/one/times.parquet", costs)
    line = {"id": "a", "text": SCRIPT, "source": SCRIPT, "dataset": SCRIPT, "verdict": "holds"}
    line |= {"effect": 0.012, "low": 0.01, "high": 0.014}
    (site.results / "claims").mkdir(parents=True)
    (site.results / "claims" / "verdicts.json").write_text(json.dumps([line]))
    frontier.write(pl.DataFrame([BEST | {"label": SCRIPT, "dataset": SCRIPT}]))
    site.render()
    for name in ("pages/tables/10-one", "index"):
        page = site.page(name)
        assert actions(page) == ([], [])
        assert "alert(1)" in page  # it is shown, not lost


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        ({"text/html": "<p>x</p><script>alert(1)</script>"}, "<script>"),
        ({"text/html": "<img src=x onerror=alert(1)>"}, "onerror=alert"),
        ({"text/html": "<a href=' JavaScript:alert(1)'>x</a>"}, "href="),
        ({"text/html": "<iframe srcdoc='x'></iframe>"}, "<iframe>"),
        ({"text/html": "<meta http-equiv=refresh content='0;url=x'>"}, "<meta>"),
        ({"image/svg+xml": "<svg onload=alert(1)></svg>"}, "onload=alert"),
    ],
)
def test_html_that_would_run_is_not_written(site, shown, what):
    site.show(shown)
    with pytest.raises(
        StudyError, match=f"10-one would run what it shows .{what}.*show it as text"
    ):
        site.render()
    assert not (site.reports / "index.html").exists()


def test_html_in_markdown_is_shown_and_not_obeyed():
    for source in (
        SCRIPT,
        f"text {SCRIPT}",
        f"- {SCRIPT}",
        f"<div>\n{SCRIPT}\n</div>",
        f"# {SCRIPT}",
    ):
        assert actions(to_html(source)) == ([], [])
        assert "&lt;script&gt;" in to_html(source)
    assert "harmful-link" in to_html("[x](javascript:alert)")


@pytest.mark.parametrize(
    "formula",
    [r"\text{<script>alert(1)</script>}", r"\mathrm{<img src=x onerror=alert(2)>}", "a < b"],
)
def test_a_formula_holds_no_html(formula):
    drawn = mathml(formula)
    assert actions(drawn) == ([], [])
    assert "&lt;" in drawn or "&#x0003C;" in drawn
    assert BeautifulSoup(drawn, "html.parser").find(["script", "img"]) is None


def test_a_damaged_record_of_a_chapters_time_is_one_sentence(site):
    place = site.reports / "tables" / "one" / "wall.json"
    place.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"profile": "quick"}', '{"profile": 1, "seconds": "long"}'):
        place.write_text(text)
        with pytest.raises(StudyError, match="does not tell how long its chapter took"):
            site.render()
