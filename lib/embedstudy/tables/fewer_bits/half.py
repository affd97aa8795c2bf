"""Half precision: the trained table in fp16 or bf16, half of its bytes.

What production servers store by default (FBGEMM's fp16 tables, ``torchrec.quant``).
"""

import torch
from torch import Tensor

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import TableSpec, check, lookup, planned_bytes
from embedstudy.tables.core.post_training import PostTraining

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


class Half(PostTraining):
    """E[x] rounded to the nearest number of 16 bits; look-up returns fp32.

    fp16 values beyond its range are set to the largest it has.
    """

    method = "half"
    config_keys = ("dtype",)

    def __init__(self, field_rows: list[int], dim: int, dtype: str):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            dtype: "fp16" (11 bits of precision, up to 65,504) or "bf16" (8 bits, fp32's range).
        """
        super().__init__(field_rows, dim)
        check(self.method, "dtype", dtype, tuple(DTYPES))
        self.dtype = dtype
        self.register_buffer("rows", torch.zeros(sum(field_rows), dim, dtype=DTYPES[dtype]))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, dtype: str = "fp16") -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            dtype: "fp16" or "bf16".
        """
        return fixed_size(cls, spec.sizes() | {"dtype": dtype}, budget)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        limit = torch.finfo(self.rows.dtype).max
        self.rows.copy_(weight.clamp(-limit, limit))

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids).float()


def fixed_size(cls: type[PostTraining], config: dict, budget: int) -> dict:
    """``config`` if its file fits; ``InfeasibleBudget`` if not: these methods have one size."""
    size = planned_bytes(cls, config)
    if size > budget:
        raise InfeasibleBudget(
            f"{cls.method} takes {size:,} bytes for this table, the budget is {budget:,} bytes."
        )
    return config
