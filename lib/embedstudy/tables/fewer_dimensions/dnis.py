"""DNIS: dimensions by frequency block, searched with soft selection, cut by size.

Cheng et al., "Differentiable Neural Input Search for Recommender Systems" (arXiv 2006.04466),
algorithm 1.
"""

from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.fewer_dimensions.soft_selection import SoftSelection
from embedstudy.tables.fewer_nonzeros.sparse import SparseTable, best_mask, check_feasible


class DNIS(SoftSelection):
    """Trained from scratch with soft selection; then the smallest |E * alpha| are dropped.

    The dimensions of an id are those that are left of its vector, so each id has its own; the file is
    a sparse table. There is no training after the cut, as in the paper.

    Departure: the authors' public code first trains the full table; that is AutoSrh.
    """

    method = "dnis"

    @classmethod
    def check_feasible(cls, spec: TableSpec, blocks: int, budget: int) -> None:
        check_feasible(cls.method, spec, budget)

    def recipe(self, trainer) -> None:
        trainer.fit("search", any_budget=True, each_step=lambda step: self.select(trainer))
        weight = self.folded()
        mask = best_mask(self.method, trainer.spec, weight.abs(), trainer.budget)
        trainer.use(SparseTable.of(self.field_rows, weight, mask))
