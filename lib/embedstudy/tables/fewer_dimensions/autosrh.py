"""AutoSrh: soft selection after a warm-up, whole dimensions dropped, and training on.

Kong et al., "AutoSrh: An Embedding Dimensionality Search Framework for Tabular Data Prediction"
(TKDE 2022). Its form that drops single numbers is in ``fewer_nonzeros``.
"""

import torch

from embedstudy.tables.fewer_dimensions.soft_selection import SoftSelection, cut_to_fit

SEARCH_EPOCHS = 2


class AutoSrh(SoftSelection):
    """Warm-up, search, cut of the cells with the smallest alpha, training of what is left.

    Warm-up is the trained full table and its backbone (best epoch). Then E and alpha learn in turns
    for two epochs; the cells (block, dimension) with the smallest alpha are dropped until
    the file fits; and the rest is trained on, alpha folded in.

    Departures: the published code drops single numbers and does not train after that.
    alpha learns at .01 (published: .001) as runs are short.
    """

    method = "autosrh"

    def search(self, trainer) -> None:
        """Warm-up and search: E and alpha as they are after ``SEARCH_EPOCHS``."""
        weight = trainer.trained()
        with torch.no_grad():
            self.rows.copy_(weight)
        trainer.fit(
            "search",
            any_budget=True,
            epochs=SEARCH_EPOCHS,
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
