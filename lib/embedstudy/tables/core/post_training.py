"""Tables that are not trained: they approximate the weight of a trained full table."""

from typing import Self

import torch
from torch import Tensor

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import Table, TableSpec


class PostTraining(Table):
    """Base of methods that compress a trained weight, without training after it.

    A subclass says in ``approximate`` how its tensors come from the weight; ``plan`` and the
    constructor are those of any table.
    """

    @classmethod
    def compress(cls, weight: Tensor, spec: TableSpec, budget: int, seed: int, **options) -> Self:
        """A table of at most ``budget`` bytes whose vectors approximate ``weight`` fp32 [rows, dim].

        Raises ``InfeasibleBudget`` as ``build`` does.
        """
        if weight.shape != (spec.rows, spec.dim):
            raise StudyError(
                f"The weight to compress has shape {tuple(weight.shape)}, the table is "
                f"({spec.rows}, {spec.dim}): give one row an id."
            )
        table = cls.build(spec, budget, seed, **options)
        table.approximate(weight, spec, generator(seed, "approximate", cls.method))
        return table

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        """Nothing is drawn: before ``approximate`` all vectors are zero."""
        with torch.no_grad():
            for tensor in self.state_dict().values():
                tensor.zero_()

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        """Set the tensors from ``weight`` fp32 [rows, dim]; random choices come from ``rng``."""
        raise NotImplementedError

    def recipe(self, trainer) -> None:
        weight = trainer.trained()
        rng = generator(trainer.seed, "approximate", self.method)
        self.approximate(weight, trainer.spec, rng)
