"""ALPT: low-precision training whose step is learned, one a row.

Li et al., "Adaptive Low-Precision Training for Embeddings in Click-Through Rate Prediction" (AAAI
2023), algorithm 1; the step's gradient is that of LSQ (Esser et al., ICLR 2020, equation 3).
"""

import math

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, check_share, lookup
from embedstudy.tables.fewer_bits.half import fixed_size
from embedstudy.tables.fewer_bits.integer import IntegerTable

_SMALLEST = 1e-6  # of a step: it must stay above zero


class ALPT(IntegerTable):
    """E[x] = step_x * code_x, codes in int8 (or int16) also while training, steps in fp32.

    A step of training passes twice over its batch: Adam turns the decoded rows into fp32 rows w; the
    second pass reads w quantised with gradient to the steps; then w is rounded stochastically with
    the new steps.

    Departure: the steps learn by Adam like everything else, so the paper's factor
    1 / sqrt(B d (2^(b-1) - 1)) on their gradient is applied but cancels. The second pass reads the
    backbone as the first one has left it, already updated.
    """

    method = "alpt"
    why_less = "it has one size, that of its bits"
    config_keys = ("bits", "step", "step_lr")

    def __init__(
        self, field_rows: list[int], dim: int, bits: int, step: float = 0.01, step_lr: float = 2e-5
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bits: of a code: 8 or 16.
            step: at which every row's step starts, above 0 and below 1; the default is the paper's.
            step_lr: learning rate of the steps; the default is the paper's.
        """
        super().__init__(field_rows, dim, bits)
        check_share(self.method, "step", step)
        check_share(self.method, "step_lr", step_lr)
        self.step, self.step_lr = step, step_lr
        self.register_buffer("steps", torch.full((sum(field_rows), 1), step))
        self._weight: Tensor | None = None  # fp32 [rows, dim] during a second pass, else None

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        bits: int = 8,
        step: float = 0.01,
        step_lr: float = 2e-5,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            bits: of a code: 8 or 16.
            step: at which every row's step starts, above 0 and below 1.
            step_lr: learning rate of the steps.
        """
        sizes = spec.sizes() | {"bits": bits, "step": step, "step_lr": step_lr}
        return fixed_size(cls, sizes, budget)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        self.rounding = rng
        self.round_(torch.empty(self.codes.shape).normal_(std=spec.init_std, generator=rng))

    def row_steps(self) -> Tensor:
        return self.steps

    def looked_up(self, flat: Tensor) -> Tensor:
        if self._weight is None:
            return super().looked_up(flat)
        rows, steps = lookup(self._weight, flat), lookup(self._leaf_steps, flat)
        return quantised(rows, steps, self.low, self.high)

    def forward(self, ids: Tensor) -> Tensor:
        if self._weight is None:
            return super().forward(ids)
        return self.looked_up(ids.flatten()).view(*ids.shape, self.dim)

    def start(self, trainer) -> None:
        super().start(trainer)
        for name in ("step_first", "step_second"):
            self.register_buffer(name, torch.zeros_like(self.steps), persistent=False)

    def update(self, trainer, step: int) -> None:
        weight = self.adam(trainer, step)
        self.learn_steps(self.step_gradient(trainer, weight), step)
        self.round_(weight)

    def step_gradient(self, trainer, weight: Tensor) -> Tensor:
        """Gradient of the batch's loss by the steps, fp32 [rows, 1], at the fp32 rows ``weight``."""
        self._weight, self._leaf_steps = weight, self.steps.clone().requires_grad_()
        events = len(self._leaf[0]) // len(self.field_rows)
        (gradient,) = torch.autograd.grad(trainer.loss(), self._leaf_steps)
        self._weight = self._leaf_steps = None
        return gradient / math.sqrt(events * self.dim * self.high)

    @torch.no_grad()
    def learn_steps(self, gradient: Tensor, step: int) -> None:
        """One step of Adam on the steps, which stay positive."""
        self.step_first.lerp_(gradient, 0.1)
        self.step_second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        first = self.step_first / (1 - 0.9**step)
        second = self.step_second / (1 - 0.999**step)
        # Gradients are tiny after their factor: Adam's usual epsilon would swallow them.
        self.steps.addcdiv_(first, second.sqrt() + 1e-15, value=-self.step_lr).clamp_(min=_SMALLEST)


def quantised(weight: Tensor, steps: Tensor, low: int, high: int) -> Tensor:
    """step * round(clip(w / step)), fp32 [n, d], with LSQ's gradient to the steps [n, 1].

    That gradient is round(w / step) - w / step inside the range and its end outside of it.
    """
    inside = (weight / steps).clamp(low, high)
    return steps * (inside + (inside.round() - inside).detach())
