"""Errors a user can cause. Each carries one sentence: what is wrong, where, what to do."""

import difflib
from collections.abc import Iterable


class StudyError(Exception):
    """The study cannot go on, and the message tells the user why and what to do."""


class InfeasibleBudget(StudyError):
    """No setting of the method fits into the budget; recorded as a "not feasible" row."""


class Diverged(StudyError):
    """Training produced NaN or an exploding loss; recorded as a "diverged" row."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the name that was probably meant, or all there are."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known are {', '.join(known)}." if known else "there are none here."
