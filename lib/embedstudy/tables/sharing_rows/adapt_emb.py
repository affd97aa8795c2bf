"""Frequency hashing: the most frequent ids keep rows of their own, the rare ones are hashed.

"Adaptive embedding" in DeepRec and in the benchmark of Zhang et al. (VLDB 2024); with two hash
functions for the rare ids, the frequency-based double hashing of Zhang et al. (RecSys 2020).
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, check, check_share, largest, lookup
from embedstudy.tables.core.frequency import Frequent, choices
from embedstudy.tables.core.hashing import FieldHash, field_slots


class AdaptEmb(Table):
    """Own[x] for the frequent ids, S_f[h_f(x)] (with ``hashes=2``: + S_f[h'_f(x)]) for the others.

    Which ids are frequent is decided by training frequency over all fields together; the other ids
    of a field share rows of its own, in proportion to its number of ids. What tells the two apart
    is in the file: one number a field where ids are ordered by frequency, else 4 bytes for each
    frequent id (the int32 map over *all* ids in the published codes takes 1/d of the full table,
    and is not counted there).

    Departure: ``hot`` is a share of the *rows*, so that any budget has frequent and shared rows. In
    the benchmark it is a tenth of the *ids*: a fifth of the rows at half of the bytes, all of them
    at a tenth, where its code refuses to run.
    """

    method = "adapt_emb"
    config_keys = ("kept", "hashes", "size", "seed")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        kept: list[int] | int,
        hashes: int,
        size: int,
        seed: int,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            kept: ids with a row of their own: how many of each field, or of all (``Frequent``).
            hashes: rows that are summed for each other id, 1 or 2.
            size: rows that the other ids share; each field has its part of them, at least one.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        check(self.method, "hashes", hashes, (1, 2))
        self.kept, self.hashes, self.size, self.seed = kept, hashes, size, seed
        self.frequent = Frequent(kept, self.starts)
        slots = field_slots(field_rows, size, 1)
        functions = (FieldHash(seed, nth, field_rows, slots) for nth in range(hashes))
        self.row_hashes = nn.ModuleList(functions)
        self.rows = nn.Parameter(torch.empty(self.frequent.number + sum(slots), dim))

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, hot: float = 0.5, hashes: int = 1
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            hot: share of the rows that belong to one id alone.
            hashes: rows that are summed for each other id, 1 or 2.
        """
        check_share(cls.method, "hot", hot)
        kept, ids = choices(spec), spec.rows - len(spec.field_rows)

        def config(total: int) -> dict:
            own = min(ids, int(hot * total))
            sizes = {"kept": kept(own), "hashes": hashes, "size": total - own, "seed": seed}
            return spec.sizes() | sizes

        return largest(cls, budget, config, 1, 2 * spec.rows)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        if self.hashes == 2:  # two independent rows add their variances
            with torch.no_grad():
                self.rows[self.frequent.number :] *= 0.5**0.5
        self.frequent.reset(spec)

    def forward(self, ids: Tensor) -> Tensor:
        field = self.field_of(ids)
        hot, number = self.frequent(ids, field)
        slots = [hashed(ids, field) + self.frequent.number for hashed in self.row_hashes]
        vectors = lookup(self.rows, torch.where(hot, number, slots[0]))
        if len(slots) == 2:
            vectors = vectors + lookup(self.rows, slots[1]) * ~hot.unsqueeze(-1)
        return vectors
