"""A smaller dense dimension: the first thing anyone tries, and the first that papers leave out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, largest, lookup


class SmallDim(Table):
    """[E[x], 0 ... 0] with E in R^{V x k}, k < d the largest dimension within the budget.

    The zeros stand for the columns that are not there: they take no bytes, receive no gradient and
    reach nothing in the backbone (inner products and crosses of zeros are zero, the weights of
    zero inputs are dead), so this is training the backbone at dimension k. Column 0, a backbone's
    first-order weight where it has one, is always kept. Sizes come in steps of 1/d of the table.
    """

    method = "small_dim"
    config_keys = ("kept",)

    def __init__(self, field_rows: list[int], dim: int, kept: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            kept: k, the columns that are stored, 1 to ``dim``.
        """
        super().__init__(field_rows, dim)
        self.kept = kept
        self.rows = nn.Parameter(torch.empty(sum(field_rows), kept))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int) -> dict:
        return largest(cls, budget, lambda kept: spec.sizes() | {"kept": kept}, 1, spec.dim)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        return F.pad(lookup(self.rows, ids), (0, self.dim - self.kept))
