"""A vocabulary of frequent ids: the rare ones share the out-of-vocabulary row of their field.

What click-through systems do before any compression (``min_count`` in the public benchmarks,
admission filters in production), here with the threshold that the budget asks for.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, largest, lookup
from embedstudy.tables.core.frequency import Frequent, choices


class MinCount(Table):
    """E[x] for the kept ids, E[field's first id] for the others.

    One threshold on the training frequency for all fields, with ties broken by id so that the
    budget is used to the row. Where the ids of each field are ordered by frequency, as in prepared
    data, "kept" is a comparison with one number a field; otherwise the file holds the kept ids.
    """

    method = "min_count"
    config_keys = ("kept",)

    def __init__(self, field_rows: list[int], dim: int, kept: list[int] | int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            kept: ids that keep a row: how many of each field, or of all together (``Frequent``).
        """
        super().__init__(field_rows, dim)
        self.kept = kept
        self.frequent = Frequent(kept, self.starts)
        self.rows = nn.Parameter(torch.empty(len(field_rows) + self.frequent.number, dim))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int) -> dict:
        kept = choices(spec)
        high = spec.rows - len(spec.field_rows)
        return largest(cls, budget, lambda number: spec.sizes() | {"kept": kept(number)}, 0, high)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        self.frequent.reset(spec)

    def forward(self, ids: Tensor) -> Tensor:
        field = self.field_of(ids)
        kept, number = self.frequent(ids, field)
        return lookup(self.rows, torch.where(kept, number + len(self.field_rows), field))
