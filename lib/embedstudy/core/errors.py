"""Errors a user can cause. Each carries one sentence: what is wrong, where, what to do."""

import difflib
from collections.abc import Iterable

_LISTED, _LONGEST = 40, 60  # names in a sentence, and characters of one
_MOST = 1900  # characters of a message


class StudyError(Exception):
    """The study cannot go on, and the message tells the user why and what to do.

    Messages quote what files hold: line ends become blanks, characters that would steer a terminal
    are written out, and a message that would fill the screen is cut.
    """

    def __init__(self, message: str = ""):
        super().__init__(_printable(message if len(message) <= _MOST else f"{message[:_MOST]}…"))


def _printable(text: str) -> str:
    line = " ".join(text.split("\n"))
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class InfeasibleBudget(StudyError):
    """No setting of the method fits into the budget; recorded as a "not feasible" row."""


class Diverged(StudyError):
    """Training produced NaN or an exploding loss; recorded as a "diverged" row."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the name that was probably meant, or all there are."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean '{legible(close[0])}'?"
    more = ", …" if len(known) > _LISTED else ""
    listed = ", ".join(map(legible, known[:_LISTED]))
    return f"known are {listed}{more}." if known else "there are none here."


def legible(name: str) -> str:
    """A name from a file as a sentence may show it: short, and without what steers a terminal.

    >>> legible("a" * 100)[-3:], legible("\x1b[31mred")
    ('aa…', '\\x1b[31mred')
    """
    return _printable(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")
