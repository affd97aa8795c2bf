"""Unified Embedding: one table for all fields (feature multiplexing).

Coleman et al., "Unified Embedding: Battle-Tested Feature Representations for Web-Scale ML Systems"
(NeurIPS 2023): feature multiplexing, and several look-ups for one id.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check, largest, lookup
from embedstudy.tables.core.hashing import UniversalHash


class Unified(Table):
    """[E[h_f1(x)], ..., E[h_fk(x)]]: k = ``lookups`` rows of d/k columns of one table E.

    Every field has hash functions of its own into the same M rows, so a row serves several fields,
    and the first layer of the backbone learns to tell them apart. The paper gives important fields
    more look-ups; here all have the same k. Where k does not divide d, the last columns of the
    joined rows are cut off.
    """

    method = "unified"
    config_keys = ("lookups", "size", "seed")

    def __init__(self, field_rows: list[int], dim: int, lookups: int, size: int, seed: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            lookups: k, rows that are joined for an id, 1 to 8.
            size: M, rows of the table.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        check(self.method, "lookups", lookups, range(1, min(dim, 8) + 1))
        self.lookups, self.size, self.seed = lookups, size, seed
        # One function of the global id is an independent function for each field.
        self.hashes = [UniversalHash(seed, nth) for nth in range(lookups)]
        self.rows = nn.Parameter(torch.empty(size, -(-dim // lookups)))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, lookups: int = 1) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            lookups: k, rows that are joined for an id, 1 to 8.
        """
        check(cls.method, "lookups", lookups, range(1, min(spec.dim, 8) + 1))
        sizes = spec.sizes() | {"lookups": lookups, "seed": seed}
        high = spec.rows * lookups
        return largest(cls, budget, lambda size: sizes | {"size": size}, 1, high)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        slots = torch.stack([hashed(ids, self.size) for hashed in self.hashes], -1)
        return lookup(self.rows, slots).flatten(-2)[..., : self.dim]
