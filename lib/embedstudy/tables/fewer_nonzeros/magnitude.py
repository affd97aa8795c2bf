"""Magnitude pruning of a trained table, with a floor for each row.

Tran et al., "A Thorough Performance Benchmarking on Lightweight Embedding-based Recommender
Systems" (TOIS 2025, arXiv 2406.17335), section 3.5, reports that it rivals complex methods.
"""

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.fewer_nonzeros.sparse import Masked, SparseTable, best_mask, check_feasible


class Magnitude(Masked):
    """The numbers of largest absolute value that fit, at least so many of them in each row.

    No training after the cut. That floor is the one of 0, 1, 2, 4, ... that does best on the
    validation split, of those that fit.
    """

    method = "magnitude"
    sized_in_training = True

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int) -> dict:
        check_feasible(cls.method, spec, budget)
        return spec.sizes()

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        """Nothing is drawn: the weight comes from the trained table."""

    @classmethod
    def compress(
        cls, weight: Tensor, spec: TableSpec, budget: int, seed: int, *, floor: int = 0
    ) -> SparseTable:
        """A trained weight, pruned.

        Args:
            weight: fp32 [rows, dim].
            spec, budget, seed: as in ``Table``; nothing is random.
            floor: numbers that every row keeps at least, 0 to ``spec.dim``.
        """
        mask = best_mask(cls.method, spec, importance(weight, floor), budget)
        return SparseTable.of(list(spec.field_rows), weight, mask)

    def recipe(self, trainer) -> None:
        weight, trials = trainer.trained(), []
        floors = [0, *(2**i for i in range(self.dim.bit_length()) if 2**i <= self.dim)]
        for floor in floors:
            mask = best_mask(self.method, trainer.spec, importance(weight, floor), trainer.budget)
            if int(mask.sum(1).min()) < floor:
                break  # the floor itself does not fit, larger ones neither
            self.fill(weight, mask)
            trials.append((trainer.validate(), floor, mask))
        self.fill(weight, min(trials, key=lambda trial: trial[:2])[-1])
        trainer.use(self.stored())


def importance(weight: Tensor, floor: int) -> Tensor:
    """|weight| [rows, dim], the ``floor`` largest numbers of each row ahead of all others."""
    size = weight.abs()
    if not floor:
        return size
    protected = size.topk(floor, dim=1).indices
    return size.scatter_add(1, protected, torch.full_like(size, 2 * float(size.max()))[:, :floor])
