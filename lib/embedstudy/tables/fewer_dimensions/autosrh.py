"""AutoSrh: soft selection after a warm-up, whole dimensions dropped, and training on.

Kong et al., "AutoSrh: An Embedding Dimensionality Search Framework for Tabular Data Prediction"
(TKDE 2022). Its form that drops single numbers is in ``fewer_nonzeros``.
"""

import torch

from embedstudy.tables.base import TableSpec
from embedstudy.tables.fewer_dimensions.soft_selection import SoftSelection, cut_to_fit


class AutoSrh(SoftSelection):
    """Warm-up, search, cut of the cells with the smallest alpha, training of what is left.

    Warm-up is the trained full table and its backbone (best epoch). Then E and alpha learn in turns
    for ``search_epochs``; the cells (block, dimension) with the smallest alpha are dropped until
    the file fits; and the rest is trained on, alpha folded in.

    Departures: the published code drops single numbers and does not train after that.
    ``alpha_lr`` is .01 (published: .001) as runs are short.
    """

    method = "autosrh"

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        blocks: int = 6,
        search_epochs: int = 2,
        alpha_lr: float = 0.01,
    ) -> dict:
        config = cls.searched(spec, blocks, search_epochs, alpha_lr)
        ones = cls(**config).alpha.detach()
        cut_to_fit(cls.method, spec, config["bounds"], ones, budget)
        return config

    def search(self, trainer) -> None:
        """Warm-up and search: E and alpha as they are after ``search_epochs``."""
        weight = trainer.trained()
        with torch.no_grad():
            self.rows.copy_(weight)
        trainer.fit(
            "search",
            epochs=self.search_epochs,
            until=lambda: False,
            each_step=lambda step: self.select(trainer),
        )

    def recipe(self, trainer) -> None:
        self.search(trainer)
        table = cut_to_fit(
            self.method, trainer.spec, self.bounds, self.alpha.detach(), trainer.budget
        )
        table.fill(self.folded())
        trainer.use(table)
        trainer.fit("retrain")
