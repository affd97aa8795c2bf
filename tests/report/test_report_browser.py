"""The report in a real browser with no network: charts draw, nothing is fetched."""

import json
import shutil

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright
from tiny_site import Site, chart

from embedstudy.report import plots_page

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason=f"needs a Chromium ({', '.join(NAMES)}) on the path"
)
DRAWN = "document.querySelectorAll('.chart svg.marks, .chart canvas.marks').length"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


def visit(browser, path, expected, timeout=20_000):
    """Wait for ``expected`` charts; return requests to anything but files, and errors."""
    context = browser.new_context(offline=True)
    page, requests, errors = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_function(f"{DRAWN} == {expected}", timeout=timeout)
    context.close()
    return [url for url in requests if not url.startswith(("file:", "data:", "blob:"))], errors


def test_charts_draw_with_the_network_blocked(browser, project):
    site = Site(project)
    site.render()
    assert visit(browser, site.reports / "pages" / "tables" / "10-one.html", 2) == ([], [])
    assert visit(browser, site.reports / "index.html", 0) == ([], [])


def test_a_chart_that_cannot_be_drawn_would_be_noticed(browser, project):
    site = Site(project)
    site.run(chart([1, 2]) | {"mark": "no such mark"})
    site.render()
    with pytest.raises(PlaywrightTimeout):
        visit(browser, site.reports / "pages" / "tables" / "10-one.html", 1, timeout=2000)


def test_the_page_of_dvc_plots_needs_no_network(browser, tmp_path):
    path = plots_page.write(tmp_path / "page.html")
    text = path.read_text()
    assert "{scripts}" not in text
    call = f'<div class="chart" id="c"></div><script>vegaEmbed("#c", {json.dumps(chart([1, 2]))})</script>'
    path.write_text(text.replace("{plot_divs}", call).replace("{refresh_tag}", ""))
    assert visit(browser, path, 1) == ([], [])
