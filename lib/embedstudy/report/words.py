"""Values as words: the filters of the report's templates."""

import re

from markupsafe import Markup, escape


def duration(seconds: float) -> str:
    """
    >>> duration(14.7), duration(135), duration(7320)
    ('15 s', '2 min 15 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", "−")


def interval(line: dict) -> str:
    """The interval of a verdict as text."""
    if line["low"] is None or line["high"] is None:
        return "–"
    return f"{signed(line['low'])} to {signed(line['high'])}"


def linked(text: str) -> Markup:
    """``text`` with its addresses as links, to follow and not to load."""
    pieces = re.split(r"(https?://[^\s,;)]+)", text)
    shown = [
        Markup('<a href="{}">{}</a>').format(piece, piece.partition("://")[2])
        if number % 2
        else escape(piece)
        for number, piece in enumerate(pieces)
    ]
    return Markup("").join(shown)


FILTERS = {"duration": duration, "signed": signed, "interval": interval, "linked": linked}
