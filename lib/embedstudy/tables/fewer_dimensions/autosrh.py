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
    beside a backbone that stands still, as in the authors' code and in the benchmark of Zhang et al.
    (VLDB 2024); the best epoch by validation counts. The cells (block, dimension) with the smallest
    alpha are dropped until the file fits; and the rest is trained on, alpha folded in.

    Departures: the authors drop single numbers of E * alpha, and train after that only where they
    drop more than 98 %. The search takes two epochs at most (theirs goes on until the validation
    loss stops falling), as runs are short.
    """

    method = "autosrh"

    def search(self, trainer) -> None:
        """Warm-up and search: E and alpha as they are after the better one of ``SEARCH_EPOCHS``."""
        weight = trainer.trained()
        with torch.no_grad():
            self.rows.copy_(weight)
        trainer.model.backbone.requires_grad_(False)
        trainer.fit(
            "search",
            any_budget=True,
            epochs=SEARCH_EPOCHS,
            each_step=lambda step: self.select(trainer),
        )
        trainer.model.backbone.requires_grad_(True)

    def recipe(self, trainer) -> None:
        self.search(trainer)
        table = cut_to_fit(
            self.method, trainer.spec, self.bounds, self.alpha.detach(), trainer.budget
        )
        table.fill(self.folded())
        trainer.use(table)
        trainer.fit("retrain")
