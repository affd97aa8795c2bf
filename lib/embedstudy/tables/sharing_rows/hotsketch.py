"""HotSketch: which ids have mattered most, in fixed memory (Zhang et al., SIGMOD 2024, section 3.2).

A SpaceSaving sketch (Metwally et al. 2005) cut into buckets of four slots, updated by whole batches.
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.hashing import UniversalHash

SLOTS = 4


class HotSketch(nn.Module):
    """Ids and scores of ``buckets`` * 4 slots; an id belongs to one bucket, by a seeded hash.

    ``row``: for each slot the number of the hot row that its id owns, or -1. A slot that owns a row
    is not replaced.

    Args:
        buckets: of four slots each.
        seed: of the hash function.
    """

    def __init__(self, buckets: int, seed: int):
        super().__init__()
        self.hash = UniversalHash(seed)
        for name, value, kind in (("ids", -1, torch.int64), ("row", -1, torch.int64)):
            self.register_buffer(name, torch.full((buckets, SLOTS), value, dtype=kind))
        self.register_buffer("scores", torch.zeros(buckets, SLOTS))

    def find(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(bucket, slot) of int64 ids [n]; slot -1 for ids that have none."""
        bucket = self.hash(ids, len(self.ids))
        same = self.ids[bucket] == ids.unsqueeze(1)
        return bucket, torch.where(same.any(1), same.int().argmax(1), -1)

    def rows_of(self, ids: Tensor) -> Tensor:
        """The hot row of each id [n], or -1."""
        bucket, slot = self.find(ids)
        return torch.where(slot >= 0, self.row[bucket, slot], -1)

    def add(self, ids: Tensor, importance: Tensor) -> None:
        """Add the importance fp32 [n] of *distinct* ids [n].

        An id without a slot takes an empty one, else that of the lowest score, to which its own is
        added (so a score never falls short of the true sum). Of several such ids of a bucket the
        most important goes first; one after the other, they may replace each other.
        """
        bucket, slot = self.find(ids)
        present = slot >= 0
        self.scores[bucket[present], slot[present]] += importance[present]
        new, bucket, importance = ids[~present], bucket[~present], importance[~present]
        order = importance.argsort(descending=True, stable=True)
        order = order[bucket[order].argsort(stable=True)]
        new, bucket, importance = new[order], bucket[order], importance[order]
        first = torch.ones_like(bucket, dtype=torch.bool)
        first[1:] = bucket[1:] != bucket[:-1]
        start = torch.arange(len(bucket), device=ids.device)[first]
        turn = torch.arange(len(bucket), device=ids.device) - start[first.cumsum(0) - 1]
        for n in range(int(turn.max()) + 1 if len(turn) else 0):
            now = turn == n
            self._insert(new[now], bucket[now], importance[now])

    def _insert(self, ids: Tensor, bucket: Tensor, importance: Tensor) -> None:
        """Give ids [n] of n different buckets a slot each, unless all four own hot rows."""
        owned = self.row[bucket] >= 0
        score = self.scores[bucket].masked_fill(owned, torch.inf)
        score = score.masked_fill(self.ids[bucket] < 0, -1)  # empty slots first
        slot = score.argmin(1)
        free = ~owned.all(1)
        place = bucket[free], slot[free]
        self.ids[place] = ids[free]
        self.scores[place] += importance[free]

    def decay(self, factor: float) -> None:
        self.scores.mul_(factor)
