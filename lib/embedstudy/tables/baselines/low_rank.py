"""A low-rank table: every row a combination of k learned directions.

The truncated form that SVD gives a trained table, learned from scratch instead.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check_decay, largest, lookup


class LowRank(Table):
    """U[x] P with U in R^{V x k} and P in R^{k x d} shared by all fields.

    k is the largest rank within the budget; sizes come in steps of about 1/d of the table, and no
    table is smaller than 1/d.

    The closest published code is "ldim" of Tsang and Ahle ("Clustering the Sketch", NeurIPS 2023),
    a baseline whose result files show it ahead of most methods there. Departure from it: there a
    field has a projection and a bias of its own, here one P without bias serves all fields, so that
    small budgets buy rank. A projection a field, with a dimension of its own, is ``mde``.
    """

    method = "low_rank"
    config_keys = ("rank",)

    def __init__(self, field_rows: list[int], dim: int, rank: int, factor_l2: float | None = 0.0):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            rank: k, numbers an id and directions, 1 to ``dim``.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        self.rank, self.factor_l2 = rank, factor_l2
        self.rows = nn.Parameter(torch.empty(sum(field_rows), rank))
        self.directions = nn.Parameter(torch.empty(rank, dim))

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, factor_l2: float | None = 0.0
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            factor_l2: weight decay of P; None: that of U.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        sizes = spec.sizes() | {"factor_l2": factor_l2}
        return largest(cls, budget, lambda rank: sizes | {"rank": rank}, 1, spec.dim)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.normal_(self.directions, generator=rng)
        with torch.no_grad():  # vectors get the wanted deviation exactly, not only in expectation
            self.directions.div_(self.directions.square().sum(0).mean().sqrt())

    def factors(self) -> list[nn.Parameter]:
        return [self.directions]

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids) @ self.directions
