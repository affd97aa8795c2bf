"""DeepLight: pruning while training goes on, to a sparsity that rises fast and then slowly.

Deng et al., "DeepLight: Deep Lightweight Feature Interactions for Accelerating CTR Predictions in
Ad Serving" (WSDM 2021), algorithm 1; here for the table alone.
"""

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, check, lookup
from embedstudy.tables.fewer_nonzeros.sparse import Masked, SparseTable, best_mask, check_feasible

_INTERVAL = 10  # steps between two prunings
_LEFT = 1e-3  # of the way to the target when the ramp ends and the target itself holds


class DeepLight(Masked):
    """From the trained full table on, every tenth step sets the smallest numbers to zero.

    Their share is s_t = S (1 - D^t) with the final sparsity S. There is no lasting mask: what was
    pruned may grow again until the next pruning. Only epochs that end at S are eligible as the
    best one.

    Departures: the warm-up is the best epoch of full training (published: two epochs); D is set so
    that the ramp takes two epochs, as the authors' D = .99^(1/100) needs 68,700 steps. The
    network is not pruned. S is what the byte budget buys, found anew at each epoch's end, as it
    depends on how many rows are left with any number.
    """

    method = "deeplight"
    config_keys = ("ramp_epochs",)
    sized_in_training = True

    def __init__(self, field_rows: list[int], dim: int, ramp_epochs: int = 2):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            ramp_epochs: epochs until the final sparsity is reached.
        """
        super().__init__(field_rows, dim)
        self.ramp_epochs, self.reached = ramp_epochs, False

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, ramp_epochs: int = 2) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            ramp_epochs: epochs until the final sparsity is reached, 1 to 1,000.
        """
        check(cls.method, "ramp_epochs", ramp_epochs, range(1, 1001))
        check_feasible(cls.method, spec, budget)
        return spec.sizes() | {"ramp_epochs": ramp_epochs}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        """Nothing is drawn: the weight comes from the trained table."""

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids)

    @torch.no_grad()
    def prune(self, share: float) -> None:
        """Set the ``share`` of numbers of smallest absolute value to zero."""
        size = self.rows.abs().flatten()
        count = int(share * size.numel())
        if count:
            threshold = size.kthvalue(count).values
            self.rows.masked_fill_(self.rows.abs() <= threshold, 0)

    @torch.no_grad()
    def fit_budget(self, trainer) -> float:
        """Keep the largest numbers that fit the budget; the sparsity that this is."""
        self.mask.copy_(best_mask(self.method, trainer.spec, self.rows.abs(), trainer.budget))
        return 1 - self.mask.float().mean().item()

    def recipe(self, trainer) -> None:
        weight = trainer.trained()
        with torch.no_grad():
            self.rows.copy_(weight)
        final = self.fit_budget(trainer)
        steps = -(-len(trainer.data.train.labels) // trainer.config.batch)
        ramp = min(self.ramp_epochs, trainer.config.epochs)

        def each_step(step: int) -> None:
            if (step + 1) % _INTERVAL == 0:
                self.prune(sparsity(step + 1, ramp * steps, final))

        def each_epoch(epoch: int) -> None:
            self.reached = epoch >= ramp
            if self.reached:
                self.fit_budget(trainer)
                with torch.no_grad():
                    self.rows.mul_(self.mask)

        trainer.fit(
            "prune", each_step=each_step, each_epoch=each_epoch, eligible=lambda: self.reached
        )
        trainer.use(SparseTable.of(self.field_rows, self.rows.detach(), self.mask))


def sparsity(step: int, ramp: int, final: float) -> float:
    """s_t: ``final`` (1 - .001^(t / ramp)), and ``final`` from the end of the ramp on."""
    return final if step >= ramp else final * (1 - _LEFT ** (step / ramp))
