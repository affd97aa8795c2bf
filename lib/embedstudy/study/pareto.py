"""The Pareto front of points (bytes, quality)."""

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which (bytes, quality) points no other point beats in both.

    A point is on the front if no other has at most its bytes and at least its quality, one of the
    two strictly.
    """

    def beaten(bytes_: float, quality: float) -> bool:
        return any(b <= bytes_ and q >= quality and (b < bytes_ or q > quality) for b, q in points)

    return [not beaten(*point) for point in points]
