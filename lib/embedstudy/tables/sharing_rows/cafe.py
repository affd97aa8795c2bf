"""CAFE: ids that matter now own a row, the others share hashed ones, and they change places.

Zhang et al., "CAFE: Towards Compact, Adaptive, and Fast Embedding for Large-scale Recommendation
Models" (SIGMOD 2024), section 3.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.seeding import derive
from embedstudy.tables.core.base import Table, TableSpec, check_share, largest, lookup
from embedstudy.tables.core.hashing import UniversalHash
from embedstudy.tables.sharing_rows.hotsketch import HotSketch

_DECAY, _FULL = 0.99, 10  # scores fall by 1 % when their sum passes 10 thresholds a bucket


class CAFE(Table):
    """E[x] = hot row of x if it owns one, else shared row h(x).

    The importance of a distinct id in a batch is the norm of its gradient, summed over its
    look-ups, and scaled so that a batch adds up to its number of distinct ids; HotSketch sums it
    up over batches. An id whose score reaches ``threshold`` takes a free hot row, which starts as
    a copy of the row it shared, highest score first; one whose score has decayed below it gives
    its row back. A server gets the hot ids, sorted, and their rows; the sketch is training memory.

    Departures from the authors' code: it takes the norm of each look-up's gradient and sums the
    norms, scaled so that a batch adds up to its look-ups; so an id that is looked up often with
    gradients that cancel counts there and not here. It decays scores (by 1 %, as here) whenever
    the importance added *since the last decay* passes 10 thresholds a bucket, and this table in
    every step in which the scores that are *left* add up to more. Its threshold grows from 10 to
    100 and its share of hot rows from .3 to .7 as budgets shrink from 1/2 to 1/100; here they are
    10 and .5 at every budget. It shares rows within a field, here over all fields; its buckets are
    id mod buckets, here a seeded hash. The row copied is the row that was read (there the offset
    of the field is left out, so it is another id's). Moments of Adam of a row that changes hands
    start at zero.
    """

    method = "cafe"
    why_less = "hot rows that no id owned at the end of training are not served"
    config_keys = ("hot", "shared", "threshold", "seed")

    def __init__(
        self, field_rows: list[int], dim: int, hot: int, shared: int, threshold: float, seed: int
    ):
        """A table in training, of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            hot: hot rows; the sketch has as many buckets.
            shared: rows that the other ids share.
            threshold: score at which an id gets a hot row; 1 is the mean importance in a batch.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        self.hot, self.shared, self.threshold, self.seed = hot, shared, threshold, seed
        self.rows = nn.Parameter(torch.empty(shared + hot, dim))  # the shared ones first
        self.hash = UniversalHash(derive(seed, "cafe"))
        self.sketch = HotSketch(hot, derive(seed, "sketch"))
        self.register_buffer("free", torch.ones(hot, dtype=torch.bool))
        self._read: tuple[Tensor, Tensor] | None = None

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, hot: float = 0.5, threshold: float = 10.0
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            hot: share of the bytes for hot rows and their ids.
            threshold: score at which an id gets a hot row; 1 is the mean importance in a batch.
        """
        check_share(cls.method, "hot", hot)
        own = max(1, int(hot * budget / (4 * spec.dim + 4)))
        sizes = spec.sizes() | {"seed": seed, "hot": own}
        served = largest(HotAndShared, budget, lambda n: sizes | {"shared": n}, 1, spec.rows)
        return served | {"threshold": threshold}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        for rows in self.rows.detach().split([self.shared, self.hot]):
            nn.init.normal_(rows, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        distinct, inverse = ids.unique(return_inverse=True)
        place = self.places(distinct)
        vectors = lookup(self.rows, place)
        if self.training and vectors.requires_grad:
            vectors.retain_grad()
            self._read = distinct, vectors
        return lookup(vectors, inverse)

    def places(self, ids: Tensor) -> Tensor:
        """Where ids [n] are stored, hot rows counted after the shared ones."""
        own = self.sketch.rows_of(ids)
        return torch.where(own >= 0, self.shared + own, self.hash(ids, self.shared))

    # -- migration ----------------------------------------------------------------------------------
    @torch.no_grad()
    def migrate(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Count this batch's importance; demote what has cooled down, promote what is hot."""
        ids, vectors = self._read
        importance = vectors.grad.norm(dim=1)
        total = importance.sum()
        if total > 0:
            self.sketch.add(ids, importance * (len(ids) / total))
        if self.sketch.scores.sum() > _FULL * self.hot * self.threshold:
            self.sketch.decay(_DECAY)
            self.demote()
        self.promote(optimizer)

    def demote(self) -> None:
        """Take back the rows of ids whose score fell below the threshold."""
        cold = (self.sketch.row >= 0) & (self.sketch.scores < self.threshold)
        self.free[self.sketch.row[cold]] = True
        self.sketch.row[cold] = -1

    def promote(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Give free rows to the ids of highest score at or above the threshold."""
        ready = (self.sketch.row < 0) & (self.sketch.ids >= 0)
        ready &= self.sketch.scores >= self.threshold
        place = ready.flatten().nonzero().squeeze(1)
        rows = self.free.nonzero().squeeze(1)[: len(place)]
        order = self.sketch.scores.flatten()[place].argsort(descending=True, stable=True)
        place = place[order][: len(rows)]
        ids = self.sketch.ids.flatten()[place]
        self.rows[self.shared + rows] = self.rows[self.hash(ids, self.shared)]
        self.sketch.row.view(-1)[place] = rows
        self.free[rows] = False
        state = optimizer.state.get(self.rows, {}) if optimizer is not None else {}
        for name in ("exp_avg", "exp_avg_sq"):
            if name in state:
                state[name][self.shared + rows] = 0

    def recipe(self, trainer) -> None:
        trainer.fit(each_step=lambda step: self.migrate(trainer.optimizer))
        trainer.use(self.served())

    @torch.no_grad()
    def served(self) -> "HotAndShared":
        """What a server needs: hot ids in ascending order with their rows, and the shared rows."""
        owned = self.sketch.row >= 0
        ids, order = self.sketch.ids[owned].sort()
        table = HotAndShared(self.field_rows, self.dim, len(ids), self.shared, self.seed)
        table.ids.copy_(ids)
        table.hot_rows.copy_(self.rows[self.shared + self.sketch.row[owned][order]])
        table.rows.copy_(self.rows[: self.shared])
        return table


class HotAndShared(Table):
    """CAFE as it is served: the place of an id among the hot ones by binary search."""

    method = "cafe"
    config_keys = ("hot", "shared", "seed")

    def __init__(self, field_rows: list[int], dim: int, hot: int, shared: int, seed: int):
        """A served table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            hot: ids with a row of their own.
            shared: rows that the other ids share.
            seed: of the hash function.
        """
        super().__init__(field_rows, dim)
        self.hot, self.shared, self.seed = hot, shared, seed
        self.hash = UniversalHash(derive(seed, "cafe"))
        self.register_buffer("ids", torch.zeros(hot, dtype=torch.int32))
        self.register_buffer("hot_rows", torch.zeros(hot, dim))
        self.register_buffer("rows", torch.zeros(shared, dim))

    def forward(self, ids: Tensor) -> Tensor:
        shared = self.rows[self.hash(ids, self.shared)]
        if not self.hot:
            return shared
        place = torch.searchsorted(self.ids, ids.to(torch.int32)).clamp(max=self.hot - 1)
        own = (self.ids[place] == ids).unsqueeze(-1)
        return torch.where(own, self.hot_rows[place], shared)
