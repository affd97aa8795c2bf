"""AutoSrh in its sparse form: soft selection by frequency, then pruning of single numbers.

Kong et al., "AutoSrh: An Embedding Dimensionality Search Framework for Tabular Data Prediction"
(TKDE 2022). Its form that drops whole dimensions is in ``fewer_dimensions``.
"""

from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.fewer_dimensions import autosrh
from embedstudy.tables.fewer_nonzeros.sparse import SparseTable, best_mask, check_feasible


class AutoSrhSparse(autosrh.AutoSrh):
    """Warm-up, search, training with alpha frozen; then the smallest |E * alpha| are dropped.

    There is no training after the cut, as in the benchmark of Zhang et al. (VLDB 2024); the authors
    cut after the search, and train two epochs after that where more than 98 % are dropped.
    """

    method = "autosrh_sparse"

    @classmethod
    def check_feasible(cls, spec: TableSpec, blocks: int, budget: int) -> None:
        check_feasible(cls.method, spec, budget)

    def recipe(self, trainer) -> None:
        self.search(trainer)
        trainer.fit("retrain", any_budget=True)
        weight = self.folded()
        mask = best_mask(self.method, trainer.spec, weight.abs(), trainer.budget)
        trainer.use(SparseTable.of(self.field_rows, weight, mask))
