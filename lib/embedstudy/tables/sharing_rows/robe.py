"""ROBE-Z: rows are blocks of one shared array, at hashed places.

Desai, Chou and Shrivastava, "Random Offset Block Embedding (ROBE) for Compressed Embedding Tables
in Deep Learning Recommendation Systems" (MLSys 2022), whose block hash is h below.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.seeding import derive
from embedstudy.tables.core.base import Table, TableSpec, check, largest, lookup

PRIME = 2038074743  # the authors'; A f + B x + C c + D < 2**63 for fewer than 2**31 ids


class ROBE(Table):
    """Entry i of the row of id x in field f: g(f, x, i) * M[(h(f, x, i // z) + i % z) mod |M|].

    h(f, x, c) = ((A f + B x + C c + D) mod P) mod |M|, x the id within its field; the sign
    g = +-1 is the parity of a second such function of (f, x, i), left out with ``sign=False``.
    Sizes are exact to one number; the array is never shorter than a row.

    Honest note: h is the paper's linear function; on ids that follow one another it spreads blocks
    less evenly than chance for some seeds.
    """

    method = "robe"
    config_keys = ("z", "sign", "size", "seed")

    def __init__(self, field_rows: list[int], dim: int, z: int, sign: bool, size: int, seed: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            z: numbers a block, 1 to ``dim``.
            sign: whether numbers are read with a hashed sign.
            size: |M|, numbers of the shared array, at least ``dim``.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        check(self.method, "z", z, range(1, dim + 1))
        check(self.method, "sign", sign, (True, False))
        self.z, self.sign, self.size, self.seed = z, sign, size, seed
        self.place = [derive(seed, "robe", "place", name) % PRIME for name in "ABCD"]
        self.parity = [derive(seed, "robe", "sign", name) % PRIME for name in "ABCD"]
        column = torch.arange(dim, device="cpu")
        self.register_buffer("column", column, persistent=False)
        self.array = nn.Parameter(torch.empty(size, 1))

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, z: int | None = None, sign: bool = True
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            z: numbers a block, 1 to 1,024; None, and at most, the whole row (one read of memory).
            sign: whether numbers are read with a hashed sign.
        """
        check(cls.method, "z", spec.dim if z is None else z, range(1, 1025))
        sizes = spec.sizes() | {
            "z": spec.dim if z is None else min(z, spec.dim),
            "sign": sign,
            "seed": seed,
        }
        high = spec.rows * spec.dim
        return largest(cls, budget, lambda size: sizes | {"size": size}, spec.dim, high)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.array, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids)
        start = _linear(self.place, field, local, self.column[: -(-self.dim // self.z)]) % self.size
        address = start.unsqueeze(-1) + self.column[: self.z]  # [..., blocks, z]
        address = address.flatten(-2)[..., : self.dim]
        address = torch.where(address < self.size, address, address - self.size)
        vectors = lookup(self.array, address).squeeze(-1)
        if not self.sign:
            return vectors
        odd = _linear(self.parity, field, local, self.column) & 1
        return vectors * (1.0 - 2.0 * odd)


def _linear(coefficients: list[int], field: Tensor, local: Tensor, last: Tensor) -> Tensor:
    """(A field + B local + C last + D) mod P: [...], [...], [n] -> int64 [..., n]."""
    a, b, c, d = coefficients
    value = ((a * field + b * local + d) % PRIME).unsqueeze(-1) + c * last % PRIME
    return torch.where(value >= PRIME, value - PRIME, value)
