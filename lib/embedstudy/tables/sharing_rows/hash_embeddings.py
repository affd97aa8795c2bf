"""Hash embeddings: a learned combination of a few shared rows.

Svenstrup, Hansen and Winther, "Hash Embeddings for Efficient Word Representations" (NeurIPS 2017).
"""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import (
    Table,
    TableSpec,
    check,
    check_decay,
    check_share,
    largest,
    lookup,
)
from embedstudy.tables.core.hashing import UniversalHash


class HashEmbeddings(Table):
    """sum_j p_j(x) B[h_j(x)], j = 1 ... k, with importance weights p(x) = P[h_0(x)] in R^k.

    B in R^{m x d} is one pool for all fields, P in R^{K x k}. With K = V every id has weights of
    its own, otherwise they are hashed as well. The weights are not appended to the vectors
    (optional in the paper).
    Departure: weights start with variance 1/k, not near zero, so that vectors start as spread as
    those of every other method here. Weight decay of rows does not reach them by default.
    """

    method = "hash_embeddings"
    config_keys = ("hashes", "size", "weights", "seed")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        hashes: int,
        size: int,
        weights: int,
        seed: int,
        factor_l2: float | None = 0.0,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            hashes: k, rows that are combined for an id.
            size: m, rows of the pool B.
            weights: K, rows of importance weights; as many as there are ids, or they are hashed.
            seed: of the hash functions.
            factor_l2: as in ``plan``.
        """
        check(self.method, "hashes", hashes, range(1, 9))
        super().__init__(field_rows, dim)
        self.hashes, self.size, self.seed, self.factor_l2 = hashes, size, seed, factor_l2
        self.row_hashes = [UniversalHash(seed, 1 + nth) for nth in range(hashes)]
        self.weight_hash = UniversalHash(seed)
        self.rows = nn.Parameter(torch.empty(size, dim))
        self.weights = nn.Parameter(torch.empty(weights, hashes))

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        hashes: int = 2,
        weights: float = 0.5,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            hashes: k, rows that are combined for an id, 1 to 8.
            weights: share of the bytes that P takes, as far as K = V allows.
            factor_l2: weight decay of P; None: that of B.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "hashes", hashes, range(1, 9))
        check_share(cls.method, "weights", weights)

        def config(words: int) -> dict:
            own = min(spec.rows, max(1, int(weights * words) // hashes))
            size = max(1, (words - own * hashes) // spec.dim)
            sizes = {"hashes": hashes, "size": size, "weights": own, "seed": seed}
            return spec.sizes() | sizes | {"factor_l2": factor_l2}

        return largest(cls, budget, config, spec.dim + hashes, spec.rows * (spec.dim + hashes))

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.normal_(self.weights, std=self.hashes**-0.5, generator=rng)

    def factors(self) -> list[nn.Parameter]:
        return [self.weights]

    def forward(self, ids: Tensor) -> Tensor:
        own = self.weights.shape[0]
        key = ids if own == sum(self.field_rows) else self.weight_hash(ids, own)
        weights = lookup(self.weights, key)
        terms = (
            lookup(self.rows, row_hash(ids, self.size)) * weights[..., j : j + 1]
            for j, row_hash in enumerate(self.row_hashes)
        )
        return sum(terms)

    def config(self) -> dict:
        return super().config() | {"weights": len(self.weights)}  # the tensor has that name too
