"""The uncompressed table: one fp32 row an id, ``nn.Embedding`` under the contract of a table."""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, lookup


class Full(Table):
    """E[x] with E in R^{V x d}.

    The reference that budgets are fractions of, so it has no budget itself: its file is the
    payload of ``spec.full_bytes`` plus the header, whatever budget is named.
    """

    method = "full"

    def __init__(self, field_rows: list[int], dim: int):
        super().__init__(field_rows, dim)
        self.rows = nn.Parameter(torch.empty(sum(field_rows), dim))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int) -> dict:
        return spec.sizes()

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def recipe(self, trainer) -> None:
        weight = trainer.trained()  # once a seed: methods that start from it share it
        with torch.no_grad():
            self.rows.copy_(weight)

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids)


class FullTwoPhases(Full):
    """The uncompressed table with as much training as methods with two phases get.

    Trained as ``Full``, then trained on from its best epoch with a fresh Adam, early stopping and
    the best epoch of that second phase, as DeepLight and its like are; nothing is compressed. What
    this gains on ``Full`` is the gain of training longer, and no method with two phases may count
    it as its own.
    """

    method = "full_two_phases"

    def recipe(self, trainer) -> None:
        super().recipe(trainer)
        trainer.fit("second")
