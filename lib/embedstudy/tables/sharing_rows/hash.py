"""The hashing trick: the ids of a field share a smaller table.

Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (ICML 2009), without the
sign, as it is used for embeddings (and as a baseline in every paper on their compression).
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check, largest, lookup
from embedstudy.tables.core.hashing import FieldHash, affordable_floor, field_slots


class Hash(Table):
    """E[h_f(x)], E with M_f rows for field f and a seeded universal hash h_f.

    Every field shrinks by one common ratio, found so that the file fills the budget; a field with
    M_f >= n_f keeps a row for each id. Departure from the benchmark codes, in the baseline's
    favour: a field gets at least ``floor`` slots (or its n_f), where the plain ratio would merge
    the few values of small fields; ``floor=1`` is the plain ratio. The floor is lowered until the
    slots that it reserves are at most half of the budget.
    """

    method = "hash"
    config_keys = ("size", "floor", "seed")

    def __init__(self, field_rows: list[int], dim: int, size: int, floor: int, seed: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            size: rows of all fields together, before the floor.
            floor: fewest rows of a field, or its number of ids.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        self.size, self.floor, self.seed = size, floor, seed
        slots = field_slots(field_rows, size, floor)
        self.hash = FieldHash(seed, 0, field_rows, slots)
        self.rows = nn.Parameter(torch.empty(sum(slots), dim))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, floor: int = 32) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            floor: fewest rows of a field, 1 to 1,024; less where that takes half of the budget.
        """
        check(cls.method, "floor", floor, range(1, 1025))
        floor = affordable_floor(spec.field_rows, floor, budget // (4 * spec.dim))
        sizes = spec.sizes() | {"floor": floor, "seed": seed}
        return largest(cls, budget, lambda size: sizes | {"size": size}, 1, spec.rows)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, self.hash(ids, self.field_of(ids)))
