"""The page of ``dvc plots`` is written once, and again when what it is made of changes."""

import subprocess
import sys
from importlib import metadata

import pytest

from embedstudy.report import charts, plots_page


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page written with a stand-in for the bundle, which takes seconds to make."""
    monkeypatch.setattr(charts, "bundle", lambda names: f"/* vega as {names} */")
    return plots_page.write(tmp_path / "page.html")


def test_the_page_holds_the_bundle_and_a_place_for_dvcs_plots(page):
    text = page.read_text()
    assert f"vega as {plots_page.GLOBALS}" in text
    assert "{plot_divs}" in text
    assert "{scripts}" not in text
    assert "@" not in text.replace("@media", "")


def test_a_page_that_is_there_is_left_as_it_is(page):
    before = page.stat().st_mtime_ns
    plots_page.write(page)
    assert page.stat().st_mtime_ns == before


def test_another_vega_writes_it_again(page):
    version = metadata.version("vl-convert-python")
    page.write_text(page.read_text().replace(f"vl-convert {version}", "vl-convert 0"))
    assert f"vl-convert {version}," in plots_page.write(page).read_text()


def test_another_template_writes_it_again(page, tmp_path, monkeypatch):
    (tmp_path / "plots-page.html").write_text("@STAMP@ <script>@BUNDLE@</script> another")
    monkeypatch.setattr(plots_page, "TEMPLATES", tmp_path)
    assert plots_page.write(page).read_text().endswith("another")


def test_a_page_that_is_there_loads_neither_vega_nor_templates(page):
    code = (
        "import sys, pathlib; from embedstudy.report import plots_page; "
        f"plots_page.write(pathlib.Path({str(page)!r})); "
        "print(*sorted({'vl_convert', 'jinja2', 'torch', 'polars'} & sys.modules.keys()))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == ""
