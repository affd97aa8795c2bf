"""PEP: learned soft thresholds prune; the survivors are trained again from their first values.

Liu et al., "Learnable Embedding Sizes for Recommender Systems" (ICLR 2021), equations 4 to 6.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import TableSpec, check, check_share, lookup
from embedstudy.tables.fewer_nonzeros.sparse import Masked, best_mask, check_feasible, smaller_form

GRANULARITIES = ("global", "dimension", "feature", "feature-dimension")
_INTERVAL = 5  # steps between two looks at how much is left
_START = 0.01  # of the deviation of the first vectors: the first threshold
# Adam's: the gradient of s is that of a vector times about sigmoid(s), 1e-6 and less at the start.
_EPS = 1e-16


class PEP(Masked):
    """Search: E[x] = sign(v) max(|v| - sigmoid(s), 0), v and s learned; then v with a fixed mask.

    Thresholds follow the gradient of the task's loss and nothing else: where |v| wants to shrink its
    threshold rises, where it wants to grow it falls, and what no batch holds keeps the one that it
    has. The search ends when what is left fits the budget. Then table and backbone are trained again
    from the *same* initial weights (the lottery ticket), with what was pruned held at zero.

    Departures, in the search. The authors' code starts s at -15 or -150 and learns it with Adam's eps
    of 1e-8 and a weight decay of 1e-5: the gradient of s is 1e-7 of that of a vector there, or zero
    in fp32, and decay alone raises all thresholds alike, in some 10^5 steps. Here sigmoid(s) starts
    at a hundredth of the vectors' deviation, eps is 1e-16, so that the steps of s do not depend on
    how low it is, and s has a learning rate of its own and no decay. Thresholds rest for the first
    epoch, as theirs do for many: an id that the first batches do not hold would else be drawn below
    its threshold by the decay of v, where no gradient finds it any more.
    The loss asks for no zeros by itself, so a search may end at its last epoch with more than fits.
    The mask is made of the numbers with the largest margin |v| - sigmoid(s) that fit.
    """

    method = "pep"
    config_keys = ("granularity", "threshold_lr", "search_epochs")
    sized_in_training = True

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        granularity: str = "feature-dimension",
        threshold_lr: float = 0.02,
        search_epochs: int = 10,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            granularity: of s: one for all ("global"), for each "dimension", for each id ("feature")
                or for each number ("feature-dimension").
            threshold_lr: Adam's learning rate of s, above 0 and below 1.
            search_epochs: epochs after which the search ends in any case.
        """
        super().__init__(field_rows, dim)
        check(self.method, "granularity", granularity, GRANULARITIES)
        check_share(self.method, "threshold_lr", threshold_lr)
        self.granularity, self.threshold_lr = granularity, threshold_lr
        self.search_epochs = search_epochs
        rows = sum(field_rows) if "feature" in granularity else 1
        self.s = nn.Parameter(torch.empty(rows, dim if "dimension" in granularity else 1))
        self.fits = self.resting = False

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        granularity: str = "feature-dimension",
        threshold_lr: float = 0.02,
        search_epochs: int = 10,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            granularity: of s: "global", "dimension", "feature" or "feature-dimension".
            threshold_lr: Adam's learning rate of s, above 0 and below 1.
            search_epochs: epochs after which the search ends in any case, 1 to 1,000.
        """
        check(cls.method, "search_epochs", search_epochs, range(1, 1001))
        check_feasible(cls.method, spec, budget)
        return spec.sizes() | {
            "granularity": granularity,
            "threshold_lr": threshold_lr,
            "search_epochs": search_epochs,
        }

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.constant_(self.s, torch.tensor(_START * spec.init_std).logit().item())

    def parameter_groups(self) -> list[dict]:
        thresholds = {"params": [self.s], "lr": self.threshold_lr, "eps": _EPS, "weight_decay": 0.0}
        return [{"params": [self.rows]}, thresholds]

    def forward(self, ids: Tensor) -> Tensor:
        v = lookup(self.rows, ids)
        if self.resting:
            return v
        return soft_threshold(v, lookup(self.s, ids) if len(self.s) > 1 else self.s)

    @torch.no_grad()
    def margins(self) -> Tensor:
        """|v| - sigmoid(s): [rows, dim]; above zero is kept."""
        return self.rows.abs() - self.s.sigmoid()

    def look(self, trainer, step: int) -> None:
        """Note, every few steps, whether what is left fits the budget."""
        if (step + 1) % _INTERVAL == 0 and not self.resting:
            kept = self.margins() > 0
            sizes = {"field_rows": self.field_rows, "dim": self.dim}
            sizes |= {"nonzeros": int(kept.sum()), "kept": int(kept.any(1).sum())}
            self.fits = smaller_form(sizes)[1] <= trainer.budget

    def wake(self, epoch: int) -> None:
        """Let the thresholds act from the end of ``epoch``, the first, on."""
        self.resting = False

    def recipe(self, trainer) -> None:
        start = self.rows.detach().clone()
        self.resting = True
        trainer.fit(
            "search",
            epochs=self.search_epochs,
            until=lambda: self.fits,
            each_step=lambda step: self.look(trainer, step),
            each_epoch=self.wake,
        )
        mask = best_mask(self.method, trainer.spec, self.margins(), trainer.budget)
        ticket = Masked(self.field_rows, self.dim).fill(start, mask)
        trainer.use(ticket)
        trainer.reset_backbone()
        trainer.fit("retrain")
        trainer.use(ticket.stored())


def soft_threshold(v: Tensor, s: Tensor) -> Tensor:
    """sign(v) max(|v| - sigmoid(s), 0), equation 4."""
    return v.sign() * (v.abs() - s.sigmoid()).relu()
