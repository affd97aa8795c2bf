"""What a chapter reads of its grid."""

from dataclasses import dataclass

import polars as pl

from embedstudy.core.errors import StudyError


@dataclass(frozen=True)
class GridResult:
    """A row a run, in grid order, and what belongs to it.

    ``rows``: identity, result, ``status`` (ok, infeasible, diverged, failed), ``error``; joined to
    the others by ``key``. ``scores``: a Float32 column a key, null beyond the run's own examples.
    ``labels``: what scores are judged by, a Float64 column a data set or task that has labels; and
    whose each event is, in ``groups_of`` that name, where events come in clusters.
    ``times``: what differs between two runs.
    """

    rows: pl.DataFrame
    scores: pl.DataFrame
    labels: pl.DataFrame
    times: pl.DataFrame
    failures: tuple[str, ...] = ()

    def require_ok(self) -> None:
        """Raise ``StudyError`` naming the runs that failed, if any did."""
        if self.failures:
            raise StudyError(
                f"{len(self.failures)} of {len(self.rows)} runs failed, the others are recorded; "
                f"start again to retry them. {' | '.join(self.failures[:5])}"
            )
