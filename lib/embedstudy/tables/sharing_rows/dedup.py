"""Dedup: blocks of a trained table that resemble each other are stored once.

Zhou et al., "Serving Deep Learning Models with Deduplication from Relational Databases" (VLDB
2022), section 4: locality-sensitive hashing finds candidates, equal numbers up to a tolerance tell
similarity.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import Table, TableSpec, check, check_share, largest, lookup
from embedstudy.tables.sharing_rows.pointers import pointed

_TOLERANCE = 0.01  # numbers this close count as equal, at first


class Dedup(Table):
    """E[x] is row (x mod block) of the kept block that x's block was merged into.

    From the trained full table: blocks go into buckets of L2 hashes; in each bucket a block whose
    numbers equal those of the bucket's leading block (the one of largest upper quartile) in at
    least ``similar`` of their positions is merged into it, most similar first, until as few blocks
    are left as the budget buys. Then the merged table is trained on.

    Departures: ``block`` is 8 rows, as the paper's 10,000 exceed most fields here. Candidates are
    compared with the leading block of their bucket, one hash after another, not with all. And where
    all hashes are used up before the budget is met, tolerance and bucket width double and the
    search goes on: the paper hand-tunes them for each data set and may miss its size.
    """

    method = "dedup"
    config_keys = ("block", "kept", "similar")

    def __init__(self, field_rows: list[int], dim: int, block: int, kept: int, similar: float):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            block: rows a block, 1 to 100,000; the last block of a field may be shorter.
            kept: blocks that are stored.
            similar: share of the numbers of two blocks that must be equal for them to be merged.
        """
        super().__init__(field_rows, dim)
        check(self.method, "block", block, range(1, 100_001))
        check_share(self.method, "similar", similar)
        self.block, self.kept, self.similar = block, kept, similar
        self.rows = nn.Parameter(torch.empty(kept * block, dim))
        counts = [-(-n // block) for n in field_rows]
        kind = torch.uint16 if kept <= 2**16 else torch.int32
        self.register_buffer("map", torch.zeros(sum(counts), dtype=kind))
        first = torch.tensor([0, *counts], device="cpu").cumsum(0)[:-1]
        self.register_buffer("first", first, persistent=False)

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, block: int = 8, similar: float = 0.7
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            block: rows a block, 1 to 100,000.
            similar: share of the numbers of two blocks that must be equal for them to be merged.
        """
        check(cls.method, "block", block, range(1, 100_001))
        sizes = spec.sizes() | {"block": block, "similar": similar}
        high = sum(-(-n // block) for n in spec.field_rows)
        return largest(cls, budget, lambda kept: sizes | {"kept": kept}, 1, high)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        self.map.copy_(torch.arange(len(self.map)) % self.kept)

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids)
        block = pointed(self.map, self.first[field] + local // self.block)
        return lookup(self.rows, block * self.block + local % self.block)

    @torch.no_grad()
    def blocks_of(self, weight: Tensor) -> Tensor:
        """``weight`` [rows, dim] cut into blocks, fields padded with zeros: [blocks, block * dim]."""
        whole = torch.zeros(len(self.map) * self.block, self.dim, device=weight.device)
        field, local = self.local(torch.arange(len(weight), device=weight.device))
        whole[self.first[field] * self.block + local] = weight
        return whole.view(len(self.map), -1)

    @torch.no_grad()
    def merge(self, weight: Tensor, rng: torch.Generator) -> None:
        """Fill rows and map from a trained ``weight`` fp32 [rows, dim]."""
        blocks = self.blocks_of(weight)
        leader = leaders(blocks, self.kept, self.similar, rng)
        kept = leader.unique()
        self.rows.copy_(blocks[kept].view(-1, self.dim))
        self.map.copy_(torch.searchsorted(kept, leader))

    def recipe(self, trainer) -> None:
        self.merge(trainer.trained(), generator(trainer.seed, "dedup"))
        trainer.fit("fine-tune")


def similarity(left: Tensor, right: Tensor, tolerance: float) -> Tensor:
    """Share of positions in which two rows differ by at most ``tolerance``: [n, w] twice -> [n]."""
    return ((left - right).abs() <= tolerance).float().mean(1)


def leaders(blocks: Tensor, kept: int, similar: float, rng: torch.Generator) -> Tensor:
    """The block that each block [n, w] is merged into, itself for exactly ``kept``: int64 [n]."""
    every = torch.arange(len(blocks), device=blocks.device)
    leader = every.clone()
    # Blocks of small numbers, which matter least, follow those of large ones.
    weight = blocks.abs().quantile(0.75, dim=1)
    tolerance, left = _TOLERANCE, len(blocks)
    while left > kept:
        for _ in range(90):
            alive = (leader == every).nonzero().squeeze(1)
            head = _heads(blocks[alive], weight[alive], 9 * tolerance, rng)
            alike = similarity(blocks[alive], blocks[alive[head]], tolerance)
            alike[head == every[: len(alive)]] = -1
            order = alike.argsort(descending=True, stable=True)
            order = order[alike[order] >= similar][: left - kept]
            leader[alive[order]] = alive[head[order]]
            left -= len(order)
            if left == kept:
                break
        tolerance *= 2
    while not torch.equal(leader, leader[leader]):
        leader = leader[leader]
    return leader


def _heads(blocks: Tensor, weight: Tensor, width: float, rng: torch.Generator) -> Tensor:
    """The heaviest block in the bucket of each: one L2 hash floor((a v + b) / width)."""
    direction = torch.randn(blocks.shape[1], generator=rng).to(blocks.device)
    offset = (torch.rand(1, generator=rng) * width).to(blocks.device)
    bucket = ((blocks @ direction + offset) / width).floor()
    _, bucket = bucket.unique(return_inverse=True)
    heaviest = weight.new_full((int(bucket.max()) + 1,), -1.0)
    heaviest = heaviest.scatter_reduce(0, bucket, weight, "amax")
    index = torch.arange(len(blocks), device=blocks.device)
    candidate = torch.where(weight == heaviest[bucket], index, len(blocks))
    first = torch.full_like(heaviest, len(blocks), dtype=torch.int64)
    return first.scatter_reduce(0, bucket, candidate, "amin")[bucket]
