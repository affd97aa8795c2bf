"""The quality that rows are compared by: its column, its name, and how its figures are written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """A quality, higher is better."""

    column: str  # of the rows
    name: str  # in sentences: "+.0012 AUC"
    title: str  # on an axis
    digits: int  # after the point

    def plain(self, value: float) -> str:
        """'0.7949'."""
        return f"{value:.{self.digits}f}"

    def signed(self, value: float) -> str:
        """'+0.0012'."""
        return f"{value:+.{self.digits}f}"


AUC = Quality("test_auc", "AUC", "test AUC", 4)
PERCENT = Quality("quality", "%", "quality, % of the other's", 1)  # a ratio, not a difference
POINTS = Quality("quality", "points", "nDCG@10 or Spearman, × 100", 2)
BY_NAME = {quality.name: quality for quality in (AUC, PERCENT, POINTS)}


def budget_name(budget: float) -> str:
    """How a budget, a fraction of the uncompressed bytes, is written everywhere.

    >>> [budget_name(budget) for budget in (1.0, 0.1, 0.75, 0.51, 0.6891)]
    ['full', '1/10', '75 %', '51 %', '69 %']
    """
    if budget == 1:
        return "full"
    whole = round(1 / budget)
    return f"1/{whole}" if abs(1 / budget - whole) < 0.01 else f"{100 * budget:.0f} %"
