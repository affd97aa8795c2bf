"""The soft selection layer of DNIS and AutoSrh: a factor in [0, 1] for each block and dimension.

Cheng et al., "Differentiable Neural Input Search for Recommender Systems" (arXiv 2006.04466),
section 4; Kong et al., "AutoSrh: An Embedding Dimensionality Search Framework for Tabular Data
Prediction" (TKDE 2022), the same group's successor.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import TableSpec, check, check_share, lookup, planned_bytes
from embedstudy.tables.core.frequency import check_frequency_order
from embedstudy.tables.fewer_dimensions.blocks import Blocks, BlockTable, frequency_bounds


class SoftSelection(Blocks):
    """E[x] * alpha[block(x)], alpha [blocks, dim] starting at 1.

    The search trains E on training batches and alpha on validation batches, in turns, first order:
    a step of SGD on the gradient plus L1 of 1e-5, each row of the gradient divided by its mean
    absolute value plus 1e-8, and alpha kept in [0, 1]. alpha learns at .01, as in the authors'
    scripts (the benchmark of Zhang et al., VLDB 2024, has .001).
    """

    config_keys = ("bounds", "alpha_lr")
    sized_in_training = True

    def __init__(self, field_rows: list[int], dim: int, bounds: list[list[int]], alpha_lr: float):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bounds: where blocks begin and end in each field, as in ``Blocks``.
            alpha_lr: learning rate of alpha, above 0 and below 1.
        """
        super().__init__(field_rows, dim, bounds)
        check_share(self.method, "alpha_lr", alpha_lr)
        self.alpha_lr = alpha_lr
        self.rows = nn.Parameter(torch.empty(sum(field_rows), dim))
        self.alpha = nn.Parameter(torch.ones(len(bounds[0]) - 1, dim))

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, blocks: int = 6, alpha_lr: float = 0.01
    ) -> dict:
        """Sizes that fit a budget.

        Raises ``StudyError`` unless ids are ordered by frequency.

        Args:
            spec, budget, seed: as in ``Table``.
            blocks: of ids of like frequency, 1 to 100.
            alpha_lr: learning rate of alpha, above 0 and below 1.
        """
        check(cls.method, "blocks", blocks, range(1, 101))
        check_frequency_order(cls.method, spec)
        cls.check_feasible(spec, blocks, budget)
        bounds = frequency_bounds(spec, blocks)
        return spec.sizes() | {"alpha_lr": alpha_lr, "bounds": bounds}

    @classmethod
    def check_feasible(cls, spec: TableSpec, blocks: int, budget: int) -> None:
        """Raise ``InfeasibleBudget`` if not one dimension of one block fits."""
        cut_to_fit(
            cls.method, spec, frequency_bounds(spec, blocks), torch.ones(blocks, spec.dim), budget
        )

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.ones_(self.alpha)

    def parameter_groups(self) -> list[dict]:
        return [{"params": [self.rows]}]

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids)
        flat = self.block_of(field, local).flatten()
        return lookup(self.rows, ids) * lookup(self.alpha, flat).view(*ids.shape, self.dim)

    def select(self, trainer) -> None:
        """One step of alpha on the next validation batch."""
        (gradient,) = torch.autograd.grad(trainer.valid_loss(), [self.alpha])
        self.move(gradient)

    @torch.no_grad()
    def move(self, gradient: Tensor) -> None:
        """One step of alpha against ``gradient``, fp32 of its shape."""
        gradient = gradient + 1e-5 * self.alpha.sign()
        scale = gradient.abs().mean(1, keepdim=True)
        self.alpha.sub_(self.alpha_lr * gradient / (scale + 1e-8)).clamp_(0, 1)

    @torch.no_grad()
    def folded(self) -> Tensor:
        """E * alpha of every id: fp32 [rows, dim]."""
        self.eval()
        return self(torch.arange(len(self.rows), device=self.rows.device)).detach().clone()


def cut_to_fit(
    method: str, spec: TableSpec, bounds: list[list[int]], scores: Tensor, budget: int
) -> BlockTable:
    """The block table that keeps the best (block, dimension) cells within ``budget`` bytes.

    ``scores`` [blocks, dim]: cells go in ascending order until the file fits. Raises
    ``InfeasibleBudget`` if not even the best cell fits.
    """
    sizes = spec.sizes() | {"bounds": bounds}
    order = scores.flatten().argsort(descending=True, stable=True).tolist()

    def config(count: int) -> dict:
        kept = [sorted(c % spec.dim for c in order[:count] if c // spec.dim == b)
                for b in range(len(scores))]  # fmt: skip
        return sizes | {"kept": kept}

    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if planned_bytes(BlockTable, config(middle)) <= budget:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        raise InfeasibleBudget(
            f"{method} cannot keep a single dimension of a block within {budget:,} bytes."
        )
    return BlockTable(**config(low))
