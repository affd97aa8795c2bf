"""Frames as HTML tables."""

from collections.abc import Callable

import polars as pl
from markupsafe import Markup


def cell(value: object) -> str:
    """A value as it is shown: thousands separated, four decimals below 1, one above, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def table(frame: pl.DataFrame, headings: dict[str, str], show: Callable = cell) -> Markup:
    """``frame``'s columns named in ``headings``, under those headings; numbers to the right."""
    numeric = {name for name in headings if frame.schema[name].is_numeric()}
    kind = {name: ' class="number"' if name in numeric else "" for name in headings}
    head = Markup("").join(
        Markup("<th{}>{}</th>").format(Markup(kind[name]), words)
        for name, words in headings.items()
    )
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td{}>{}</td>").format(Markup(kind[name]), show(line[name]))
                for name in headings
            )
        )
        for line in frame.to_dicts()
    )
    return Markup(
        '<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, rows)
