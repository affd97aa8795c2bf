"""Errors a user can cause. Each carries one sentence: what is wrong, where, what to do."""


class StudyError(Exception):
    """The study cannot go on, and the message tells the user why and what to do."""


class InfeasibleBudget(StudyError):
    """No setting of the method fits into the budget; recorded as a "not feasible" row."""


class Diverged(StudyError):
    """Training produced NaN or an exploding loss; recorded as a "diverged" row."""
