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
POINTS = Quality("quality", "points", "nDCG@10 or Spearman, × 100", 2)
BY_NAME = {quality.name: quality for quality in (AUC, POINTS)}
