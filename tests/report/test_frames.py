"""Tables of data in the report: readable, and never a reason to lose the report."""

import polars as pl
from bs4 import BeautifulSoup

from embedstudy.report import frames


def tidied(frame):
    return BeautifulSoup(frames.tidy(frame._repr_html_()), "html.parser")


def test_numbers_stand_right_without_quotes_or_types():
    page = tidied(pl.DataFrame({"label": ["QR", None], "quality": [0.5, None]}))
    assert [row.get_text("|") for row in page.find_all("tr")] == ["label|quality", "QR|0.5", "–|–"]
    right = [cell.text for cell in page.find_all(class_="number")]
    assert right == ["quality", "0.5", "–"]


def test_a_frame_without_rows_keeps_its_header():
    page = tidied(pl.DataFrame({"label": ["QR"], "quality": [0.5]}).clear())
    assert [cell.text for cell in page.find_all("th")] == ["label", "quality"]
    assert page.find_all("td") == []
