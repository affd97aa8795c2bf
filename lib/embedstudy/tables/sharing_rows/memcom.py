"""MEmCom: shared rows, told apart by a scalar for each id.

Pansare et al., "Learning Compressed Embeddings for On-Device Inference" (MLSys 2022).
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check, check_decay, largest, lookup
from embedstudy.tables.core.hashing import affordable_floor, field_slots


class MEmCom(Table):
    """U[x mod m] * v[x], plus b[x] with ``bias``; v and b are scalars, one an id.

    x is the id within its field and m = M_f, sized as in the method ``hash`` (``floor`` included).
    ``mod`` and no hash, as in the paper: ids in order of frequency, so the hottest M_f ids of a
    field meet only rarer ones. The scalars alone take 1/d of the table (2/d with ``bias``): no
    budget below that is feasible. Weight decay of rows does not reach them by default: v starts at
    1.
    """

    method = "memcom"
    config_keys = ("bias", "size", "floor")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        bias: bool,
        size: int,
        floor: int,
        factor_l2: float | None = 0.0,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bias: whether an id has a scalar that is added, besides the one that multiplies.
            size: shared rows of all fields together, before the floor.
            floor: fewest shared rows of a field, or its number of ids.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        check(self.method, "bias", bias, (False, True))
        self.bias, self.size, self.floor, self.factor_l2 = bias, size, floor, factor_l2
        slots = torch.tensor(field_slots(field_rows, size, floor), device="cpu")
        self.register_buffer("slots", slots, persistent=False)  # [fields]
        self.register_buffer("base", slots.cumsum(0) - slots, persistent=False)
        self.rows = nn.Parameter(torch.empty(int(slots.sum()), dim))
        self.scalars = nn.Parameter(torch.empty(sum(field_rows), 1 + bias))  # v, b

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        bias: bool = False,
        floor: int = 32,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            bias: whether an id has a scalar that is added, besides the one that multiplies.
            floor: fewest shared rows of a field, 1 to 1,024; less where that takes half of what
                the scalars leave of the budget.
            factor_l2: weight decay of the scalars; None: that of the shared rows.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "floor", floor, range(1, 1025))
        left = budget // 4 - spec.rows * (1 + bool(bias))
        sizes = spec.sizes() | {
            "bias": bias,
            "floor": affordable_floor(spec.field_rows, floor, left // spec.dim),
            "factor_l2": factor_l2,
        }
        return largest(cls, budget, lambda size: sizes | {"size": size}, 1, spec.rows)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        with torch.no_grad():
            self.scalars.zero_()
            self.scalars[:, 0] = 1

    def factors(self) -> list[nn.Parameter]:
        return [self.scalars]

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids)
        shared = lookup(self.rows, self.base[field] + local % self.slots[field])
        scalars = lookup(self.scalars, ids)
        vectors = shared * scalars[..., :1]
        return vectors + scalars[..., 1:] if self.bias else vectors
