"""Tables as polars shows them, made readable: no types or quotes, numbers to the right."""

import re

from bs4 import BeautifulSoup, Tag

_NUMBER = re.compile(r"[-+−]?[\d,_.]*\d(e[-+]?\d+)?%?")
_EMPTY = {"", "null", "NaN", "…"}


def _cell(text: str) -> str:
    """A value without the quotes that polars puts around text."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _tidy(table: Tag) -> None:
    head = table.find("thead")
    if head is not None:
        for types in head.find_all("tr")[1:]:
            types.decompose()
    rows = [row.find_all("td") for row in table.select("tbody tr")]
    numeric = [
        all(_NUMBER.fullmatch(text) or text in _EMPTY for text in (c.text.strip() for c in column))
        for column in zip(*rows, strict=True)
    ]
    header = head.find_all("th") if head is not None else []
    lines = [header, *rows] if rows else []
    for line in lines:
        for cell, right in zip(line, numeric, strict=True):
            if right:
                cell["class"] = "number"
    for line in rows:
        for cell in line:
            cell.string = "–" if cell.text in ("null", "NaN") else _cell(cell.text)
    del table["border"]


def tidy(html: str) -> str:
    """The HTML of an output with its data frames made readable; other HTML stays as it is.

    A frame's size is kept as a note only where polars left rows or columns out.
    """
    if 'class="dataframe"' not in html and 'class="highlight"' not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for style in soup.find_all("style"):
        style.decompose()  # the page has its own, for frames and for code
    for table in soup.select("table.dataframe"):
        cut = any(cell.text == "…" for cell in table.find_all("td"))
        _tidy(table)
        size = table.find_previous_sibling("small")
        if size is not None and not cut:
            size.decompose()
        table.wrap(soup.new_tag("div", attrs={"class": "table", "tabindex": "0"}))
    return str(soup)
