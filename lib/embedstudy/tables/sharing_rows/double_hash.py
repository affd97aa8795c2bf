"""Double hashing: two hash functions, so that few ids meet in both.

Zhang et al., "Model Size Reduction Using Frequency Based Double Hashing for Recommender Systems"
(RecSys 2020). Rows of their own for frequent ids are the method ``adapt_emb``.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check, largest, lookup
from embedstudy.tables.core.hashing import FieldHash, affordable_floor, field_slots


class DoubleHash(Table):
    """``op="sum"``: E[h1(x)] + E[h2(x)]; ``op="concat"``: [E1[h1(x)], E2[h2(x)]] of d/2 each.

    Both functions of a field hash into the same M_f rows (sum) or into two tables of M_f rows of
    half the width (concat). Fields are sized as in the method ``hash``, ``floor`` included, and a
    field with M_f >= n_f keeps a row for each id.
    """

    method = "double_hash"
    config_keys = ("op", "size", "floor", "seed")

    def __init__(self, field_rows: list[int], dim: int, op: str, size: int, floor: int, seed: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            op: "sum" or "concat" of the two rows.
            size: slots of one hash function, all fields together, before the floor.
            floor: fewest slots of a field, or its number of ids.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        check(self.method, "op", op, ("sum", "concat"))
        self.op, self.size, self.floor, self.seed = op, size, floor, seed
        slots = field_slots(field_rows, size, floor)
        self.first = FieldHash(seed, 0, field_rows, slots)
        self.second = FieldHash(seed, 1, field_rows, slots)
        self.slots = sum(slots)
        shape = (self.slots, dim) if op == "sum" else (2 * self.slots, -(-dim // 2))
        self.rows = nn.Parameter(torch.empty(shape))

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, op: str = "sum", floor: int = 32
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            op: "sum" or "concat" of the two rows.
            floor: fewest slots of a field, 1 to 1,024; less where that takes half of the budget.
        """
        check(cls.method, "floor", floor, range(1, 1025))
        sizes = spec.sizes() | {
            "op": op,
            "floor": affordable_floor(spec.field_rows, floor, budget // (4 * spec.dim)),
            "seed": seed,
        }
        return largest(cls, budget, lambda size: sizes | {"size": size}, 1, spec.rows)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        if self.op == "sum":  # two independent rows add their variances; a field kept whole has one
            alone = self.first.whole.repeat_interleave(self.first.slots)
            with torch.no_grad():
                self.rows[~alone] *= 0.5**0.5

    def forward(self, ids: Tensor) -> Tensor:
        field = self.field_of(ids)
        first, second = self.first(ids, field), self.second(ids, field)
        if self.op == "concat":
            pair = torch.stack([first, second + self.slots], -1)
            return lookup(self.rows, pair).flatten(-2)[..., : self.dim]
        scale = torch.where(self.first.whole, 0.5, 1.0)[field].unsqueeze(-1)
        return (lookup(self.rows, first) + lookup(self.rows, second)) * scale
