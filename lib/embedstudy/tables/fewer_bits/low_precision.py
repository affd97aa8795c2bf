"""Training in INT8 or INT16 with one fixed step and stochastic rounding.

Zhang et al., "Training with Low-precision Embedding Tables" (NeurIPS 2018 Systems for ML workshop);
the INT8/16 of "Experimental Analysis of Large-scale Learnable Vector Storage Compression" (VLDB
2024).
"""

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, check_share
from embedstudy.tables.fewer_bits.half import fixed_size
from embedstudy.tables.fewer_bits.integer import IntegerTable

_RANGE = 1.28  # with 8 bits the step of .01 that the VLDB benchmark's code uses


class LowPrecision(IntegerTable):
    """E[x] = step * code_x with one step for the whole table, fixed in advance.

    Numbers beyond the range are clipped.
    """

    method = "low_precision"
    why_less = "it has one size, that of its bits"
    config_keys = ("bits", "step")

    def __init__(self, field_rows: list[int], dim: int, bits: int, step: float):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bits: of a code: 8 or 16.
            step: between two codes, above 0 and below 1.
        """
        super().__init__(field_rows, dim, bits)
        check_share(self.method, "step", step)
        self.step = step
        self.register_buffer("fixed", torch.tensor(step, device="cpu"), persistent=False)

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, bits: int = 8, step: float | None = None
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            bits: of a code: 8 or 16.
            step: between two codes; None spreads them over ±1.28: .01 (8 bits) or .00004 (16).
        """
        step = _RANGE / 2 ** (bits - 1) if step is None else step
        return fixed_size(cls, spec.sizes() | {"bits": bits, "step": step}, budget)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        self.rounding = rng
        self.round_(torch.empty(self.codes.shape).normal_(std=spec.init_std, generator=rng))

    def row_steps(self) -> Tensor:
        return self.fixed
