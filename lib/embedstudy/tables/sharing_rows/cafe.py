"""CAFE: ids that matter now own a row, the others share hashed ones, and they change places.

Zhang et al., "CAFE: Towards Compact, Adaptive, and Fast Embedding for Large-scale Recommendation
Models" (SIGMOD 2024), section 3.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive
from embedstudy.tables.core.artefact import Compact
from embedstudy.tables.core.base import (
    Table,
    TableSpec,
    check_share,
    largest,
    lookup,
    planned_bytes,
)
from embedstudy.tables.core.hashing import UniversalHash
from embedstudy.tables.sharing_rows.hotsketch import HotSketch

_DECAY, _FULL = 0.99, 10  # scores fall by 1 % for every 10 thresholds a bucket that are added
# The authors' settings for Criteo: from which share of the full table's bytes on (threshold, share
# of hot rows) hold.
_SETTINGS = (
    (0.5, 10.0, 0.3),
    (0.2, 10.0, 0.5),
    (0.1, 20.0, 0.5),
    (0.05, 30.0, 0.5),
    (0.02, 50.0, 0.7),
    (0.01, 100.0, 0.7),
    (0.005, 200.0, 0.8),
    (0.001, 500.0, 0.8),
    (0.0, 500.0, 0.9),
)


class CAFE(Table):
    """E[x] = hot row of x if it owns one, else shared row h(x).

    The importance of a look-up is the norm of its gradient, scaled so that the look-ups of a field
    in a batch add up to their number: 1 is a look-up of mean importance. HotSketch sums it up by
    id, over batches. An id whose score reaches ``threshold`` takes a free hot row, which starts as
    a copy of the row it shared, highest score first. Whenever the importance added since the last
    time passes 10 thresholds a bucket, all scores fall by 1 %, and ids that fall below the
    threshold give their row back. A server gets the hot ids, sorted, and their rows; the sketch is
    training memory. Threshold and share of hot rows follow the budget as in the authors' settings
    for Criteo.

    Departures from the authors' code: a batch enters the sketch as a whole, not look-up by look-up,
    and so an id may reach the threshold with the batch in which it first appears. Rows are shared
    over all fields, there within one; buckets are a seeded hash, there id mod buckets. The sketch
    is no part of the budget, which is the served file's. The row copied is the row that was read
    (there the offset of the field is left out, so it is another id's). Moments of Adam of a row
    that changes hands start at zero.
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
            threshold: score at which an id gets a hot row; 1 is a look-up of mean importance.
            seed: of the hash functions.
        """
        super().__init__(field_rows, dim)
        self.hot, self.shared, self.threshold, self.seed = hot, shared, threshold, seed
        self.rows = nn.Parameter(torch.empty(shared + hot, dim))  # the shared ones first
        self.hash = UniversalHash(derive(seed, "cafe"))
        self.sketch = HotSketch(hot, derive(seed, "sketch"))
        self.register_buffer("free", torch.ones(hot, dtype=torch.bool))
        self.register_buffer("added", torch.zeros(()))  # importance since scores last fell
        self._read: tuple[Tensor, Tensor] | None = None

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        hot: float | None = None,
        threshold: float | None = None,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            hot: share of the rows' bytes for hot rows and their ids; None: the authors' for such a
                budget, .3 at 1/2 of the full table, .5 at 1/10, .7 at 1/100.
            threshold: score at which an id gets a hot row, above 0; 1 is a look-up of mean
                importance. None: the authors', 10 at 1/2 of the full table, 20 at 1/10, 100 at 1/100.
        """
        # A budget in bytes is a fraction rounded down.
        share = (budget + 1) / spec.full_bytes
        published = next(rest for least, *rest in _SETTINGS if share >= least)
        threshold = published[0] if threshold is None else threshold
        hot = published[1] if hot is None else hot
        check_share(cls.method, "hot", hot)
        if not isinstance(threshold, (int, float)) or not threshold > 0:
            raise StudyError(
                f"The option threshold of cafe must be a number above 0, not {threshold!r}."
            )
        sizes = spec.sizes() | {"seed": seed}
        left = budget - planned_bytes(HotAndShared, sizes | {"hot": 1, "shared": 1})
        sizes |= {"hot": 1 + max(0, int(hot * left / (4 * spec.dim + 4)))}
        served = largest(HotAndShared, budget, lambda n: sizes | {"shared": n}, 1, spec.rows)
        return served | {"threshold": threshold}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        for rows in self.rows.detach().split([self.shared, self.hot]):
            nn.init.normal_(rows, std=spec.init_std, generator=rng)

    def forward(self, ids: Tensor) -> Tensor:
        distinct, inverse = ids.unique(return_inverse=True)
        vectors = lookup(lookup(self.rows, self.places(distinct)), inverse)
        if self.training and vectors.requires_grad:
            vectors.retain_grad()
            self._read = ids, vectors
        return vectors

    def places(self, ids: Tensor) -> Tensor:
        """Where ids [n] are stored, hot rows counted after the shared ones."""
        own = self.sketch.rows_of(ids)
        return torch.where(own >= 0, self.shared + own, self.hash(ids, self.shared))

    # -- migration ----------------------------------------------------------------------------------
    @torch.no_grad()
    def migrate(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Let scores fall when it is time; count this batch's importance; promote what is hot."""
        if self.added > _FULL * self.hot * self.threshold:
            self.sketch.decay(_DECAY)
            self.demote()
            self.added.zero_()
        ids, importance = self.importance()
        self.sketch.add(ids, importance)
        self.added += importance.sum()
        self.promote(optimizer)

    def importance(self) -> tuple[Tensor, Tensor]:
        """(distinct ids [n], importance of each fp32 [n]) of the batch that was read last.

        A field whose gradients are all zero adds nothing.
        """
        ids, vectors = self._read
        flat, norms = ids.flatten(), vectors.grad.reshape(-1, self.dim).norm(dim=1)
        field = self.field_of(flat)
        total = norms.new_zeros(len(self.field_rows)).index_add_(0, field, norms)
        scale = torch.bincount(field, minlength=len(total)) / total.clamp(min=1e-30)
        distinct, inverse = flat.unique(return_inverse=True)
        sums = norms.new_zeros(len(distinct)).index_add_(0, inverse, norms * scale[field])
        return distinct, sums

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

    def compact(self) -> Compact:
        return self.served().compact()

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
