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
    """E[x] = step * code_x with one ``step`` for the whole table, fixed in advance.

    By default the step spreads the codes over ±1.28: .01 with 8 bits, .00004 with 16. Numbers
    beyond the range are clipped.
    """

    method = "low_precision"
    why_less = "it has one size, that of its bits"

    def __init__(self, field_rows: list[int], dim: int, bits: int, step: float):
        super().__init__(field_rows, dim, bits)
        check_share(self.method, "step", step)
        self.step = step
        self.register_buffer("fixed", torch.tensor(step, device="cpu"), persistent=False)

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, bits: int = 8, step: float | None = None
    ) -> dict:
        step = _RANGE / 2 ** (bits - 1) if step is None else step
        sizes = {"field_rows": list(spec.field_rows), "dim": spec.dim, "bits": bits, "step": step}
        return fixed_size(cls, sizes, budget)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        self.rounding = rng
        self.round_(torch.empty(self.codes.shape).normal_(std=spec.init_std, generator=rng))

    def row_steps(self) -> Tensor:
        return self.fixed

    def config(self) -> dict:
        names = ("field_rows", "dim", "bits", "step")
        return {name: getattr(self, name) for name in names}
