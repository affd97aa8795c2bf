"""MGQE: product-quantised rows where frequent ids may use more centroids than rare ones.

Kang et al., "Learning Multi-granular Quantized Embeddings for Large-Vocab Categorical Features in
Recommender Systems" (WWW 2020), the variant with a shared codebook and a varying number of
centroids (section 3.4).
"""

import torch
from torch import Tensor

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import Table, TableSpec, check, check_share, planned_bytes
from embedstudy.tables.core.frequency import check_frequency_order
from embedstudy.tables.core.packing import pack, packed_bytes, unpack
from embedstudy.tables.fewer_bits.dpq import DPQ, best, responses
from embedstudy.tables.fewer_bits.pq import joined, part_numbers

_MOST_PARTS = 8  # of 256 centroids each: training compares every query with all of them
_FEWER = 2  # bits that a code of a rare id has less: 256 and 64 centroids, as published


class MGQE(DPQ):
    """DPQ-VQ whose rare ids choose among the first K / 4 of the K centroids only.

    Ids are ordered by frequency within their field, so the group of an id is a comparison with one
    number a field and no flag is stored; rare ids are stored with two bits a code less. The budget
    decides the parts (8 at most) and K.
    """

    method = "mgqe"
    config_keys = ("parts", "bits", "frequent")

    def __init__(self, field_rows: list[int], dim: int, parts: int, bits: int, frequent: float):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            parts: codes of a row, 1 to ``dim``.
            bits: of a frequent id's code: a part has K = 2^bits centroids.
            frequent: share of each field's ids, the most frequent first, that may use all K.
        """
        super().__init__(field_rows, dim, parts, bits)
        self.frequent = frequent
        hot = torch.tensor(hot_rows(field_rows, frequent), device="cpu")
        self.register_buffer("hot", hot, persistent=False)

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, frequent: float = 0.1, bits: int = 8
    ) -> dict:
        """Sizes that fit a budget.

        Raises ``StudyError`` unless ids are ordered by frequency.

        Args:
            spec, budget, seed: as in ``Table``.
            frequent: share of each field's ids that may use all centroids, above 0 and below 1.
            bits: of a frequent id's code at most, 3 to 8.
        """
        check_share(cls.method, "frequent", frequent)
        check(cls.method, "bits", bits, range(3, 9))
        check_frequency_order(cls.method, spec)
        sizes = spec.sizes() | {"frequent": frequent}
        numbers = [p for p in part_numbers(spec.dim) if p <= _MOST_PARTS]
        configs = [sizes | {"parts": p, "bits": b} for p in numbers for b in range(3, bits + 1)]
        costs = [planned_bytes(TwoGroups, config) for config in configs]
        fitting = [config for config, cost in zip(configs, costs, strict=True) if cost <= budget]
        if not fitting:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {min(costs):,} bytes for this table, the budget is "
                f"{budget:,} bytes."
            )
        # Parts first: the codes of rare ids are most of the bytes, and short codes are coarse.
        return max(fitting, key=lambda c: (c["parts"] * (c["bits"] - _FEWER), c["bits"]))

    def nearest(self, queries: Tensor, ids: Tensor) -> Tensor:
        slopes, offsets = self.scorer(queries)
        field, local = self.local(ids)
        rare = local >= self.hot[field]
        few = 2 ** (self.bits - _FEWER)
        codes = ids.new_empty(len(ids), self.parts)
        codes[~rare] = best(responses(queries[~rare], slopes, offsets)).T
        codes[rare] = best(responses(queries[rare], slopes[..., :few], offsets[..., :few])).T
        return codes

    @torch.no_grad()
    def coded(self) -> Table:
        table = TwoGroups(self.field_rows, self.dim, self.parts, self.bits, self.frequent)
        codes = self.codes()
        field, local = self.local(torch.arange(len(codes), device=codes.device))
        rare = local >= self.hot[field]
        table.frequent_codes.copy_(pack(codes[~rare], self.bits))
        table.rare_codes.copy_(pack(codes[rare], self.bits - _FEWER))
        table.centroids.copy_(self.centroids)
        return table


class TwoGroups(Table):
    """What MGQE serves: codes of two lengths and one set of centroids."""

    method = "mgqe"
    config_keys = ("parts", "bits", "frequent")

    def __init__(self, field_rows: list[int], dim: int, parts: int, bits: int, frequent: float):
        """A table of the given sizes.

        Args:
            field_rows, dim, parts, bits, frequent: as in ``MGQE``.
        """
        super().__init__(field_rows, dim)
        self.parts, self.bits, self.frequent = parts, bits, frequent
        hot = hot_rows(field_rows, frequent)
        rare = [n - h for n, h in zip(field_rows, hot, strict=True)]
        starts = [torch.tensor([0, *n], device="cpu").cumsum(0)[:-1] for n in (hot, rare)]
        self.register_buffer("hot", torch.tensor(hot, device="cpu"), persistent=False)
        self.register_buffer("starts_of", torch.stack(starts), persistent=False)
        for name, rows, width in (
            ("frequent_codes", sum(hot), bits),
            ("rare_codes", sum(rare), bits - _FEWER),
        ):
            codes = torch.zeros(rows, packed_bytes(parts, width), dtype=torch.uint8)
            self.register_buffer(name, codes)
        self.register_buffer("centroids", torch.zeros(parts, 2**bits, -(-dim // parts)))

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids.flatten())
        hot = self.hot[field]
        rare = local >= hot
        codes = local.new_empty(len(local), self.parts)
        rows = self.starts_of[0][field[~rare]] + local[~rare]
        codes[~rare] = unpack(self.frequent_codes[rows], self.bits, self.parts)
        rows = self.starts_of[1][field[rare]] + (local - hot)[rare]
        codes[rare] = unpack(self.rare_codes[rows], self.bits - _FEWER, self.parts)
        return joined(self.centroids, codes)[:, : self.dim].reshape(*ids.shape, self.dim)


def hot_rows(field_rows: list[int], frequent: float) -> list[int]:
    """How many ids of each field are frequent: at least one."""
    return [max(1, round(frequent * n)) for n in field_rows]
