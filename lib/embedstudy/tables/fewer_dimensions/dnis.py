"""DNIS: dimensions by frequency block, searched with soft selection, cut by size.

Cheng et al., "Differentiable Neural Input Search for Recommender Systems" (arXiv 2006.04466),
algorithm 1.
"""

import torch
from torch import Tensor

from embedstudy.tables.fewer_dimensions.soft_selection import SoftSelection, cut_to_fit


class DNIS(SoftSelection):
    """Trained from scratch with soft selection; then the weakest cells of E * alpha are dropped.

    A cell is a dimension of a block of ids of like frequency; its strength the mean of |E * alpha|
    over the block. There is no training after the cut, as in the paper.

    Departures: the paper thresholds single numbers of E * alpha; here whole cells go, which is what
    makes the kept part dense (its successor AutoSrh in ``fewer_nonzeros`` keeps single numbers).
    alpha learns at .01 (published: .001) as runs are short.
    """

    method = "dnis"

    def recipe(self, trainer) -> None:
        trainer.fit("search", any_budget=True, each_step=lambda step: self.select(trainer))
        weight = self.folded()
        table = cut_to_fit(
            self.method, trainer.spec, self.bounds, self.strengths(weight), trainer.budget
        )
        table.fill(weight)
        trainer.use(table)

    def strengths(self, weight: Tensor) -> Tensor:
        """Mean absolute value of each cell of ``weight`` [rows, dim]: [blocks, dim]."""
        field, local = self.local(torch.arange(len(weight), device=weight.device))
        block = self.block_of(field, local)
        sums = torch.zeros_like(self.alpha).index_add_(0, block, weight.abs())
        return sums / torch.bincount(block, minlength=len(sums)).clamp(min=1).unsqueeze(1)
