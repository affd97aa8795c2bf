"""MDE: dimensions by popularity, without any search.

Ginart et al., "Mixed Dimension Embeddings with Application to Memory-Efficient Recommendation
Systems" (arXiv 1909.11810), algorithm 2: d_f proportional to n_f^-alpha.
"""

import math

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import TableSpec, check, check_decay, planned_bytes
from embedstudy.tables.fewer_dimensions.mixed import MixedTable

_STEPS = 60  # of the bisection of alpha


class MDE(MixedTable):
    """A mixed table with d_f = max(1, round(d (n_f / n_min)^-alpha)).

    The smallest field keeps all d dimensions. alpha is the smallest in [0, 2] whose file fits the
    budget, by bisection; as dimensions are whole numbers, sizes come in steps, and no table is
    smaller than about 1/d.

    Departure: the paper's popularity of a field is 1 / n_f for uniform queries within fields, as
    here; its variant by blocks *within* a field is not built (see DNIS for dimensions by frequency).
    Weight decay of rows does not reach the projections by default.
    """

    method = "mde"

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        rounding: str = "nearest",
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            rounding: of dimensions: "nearest", or "power of two" as the paper's code can.
            factor_l2: weight decay of the projections; None: that of rows.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "rounding", rounding, ("nearest", "power of two"))

        def config(alpha: float) -> dict:
            dims = field_dims(spec.field_rows, spec.dim, alpha, rounding)
            return spec.sizes() | {"dims": dims, "factor_l2": factor_l2}

        low, high = 0.0, 2.0
        if planned_bytes(cls, config(low)) <= budget:
            return config(low)
        if planned_bytes(cls, config(high)) > budget:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {planned_bytes(cls, config(high)):,} bytes for this "
                f"table, the budget is {budget:,} bytes."
            )
        for _ in range(_STEPS):
            middle = (low + high) / 2
            fits = planned_bytes(cls, config(middle)) <= budget
            low, high = (low, middle) if fits else (middle, high)
        return config(high)


def field_dims(field_rows: tuple[int, ...], dim: int, alpha: float, rounding: str) -> list[int]:
    """d_f of each field: d (n_f / n_min)^-alpha, rounded, at least 1."""
    smallest = min(field_rows)
    wanted = [dim * (n / smallest) ** -alpha for n in field_rows]
    if rounding == "nearest":
        return [max(1, round(w)) for w in wanted]
    return [min(dim, 2 ** max(0, round(math.log2(w)))) for w in wanted]
