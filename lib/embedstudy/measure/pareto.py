"""The Pareto front of points (bytes, quality)."""

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float]], slack: float = 0.0) -> list[bool]:
    """Which (bytes, quality) points no other point beats in both.

    A point is on the front if no other has at most its bytes and at least its quality, one of the
    two strictly. With ``slack`` a point of better quality also beats it with up to (1 + slack)
    times its bytes: headers of different length then decide nothing.
    """

    def beaten(size: float, quality: float) -> bool:
        return any(
            (b <= size and q >= quality and (b < size or q > quality))
            or (b <= (1 + slack) * size and q > quality)
            for b, q in points
        )

    return [not beaten(*point) for point in points]
