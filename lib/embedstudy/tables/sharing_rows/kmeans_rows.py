"""K-means rows: every id points to the nearest of a few shared rows, found after training.

Vector quantisation of whole rows (Lloyd, "Least squares quantization in PCM", 1982), in the
implementation of faiss. The control of product quantisation, which cuts rows into parts first.
"""

import faiss
import numpy as np
import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, largest, lookup
from embedstudy.tables.core.post_training import PostTraining
from embedstudy.tables.sharing_rows.pointers import pointed

_ITERATIONS = 8


class KMeansRows(PostTraining):
    """E[x] = C[k(x)]: a pointer an id and shared rows C, as many as the budget buys.

    Rows weigh in K-means by the square root of 1 + their frequency, so that what is looked up often
    is met well. Pointers take 2 bytes up to 65,536 rows, then 4.
    """

    method = "kmeans_rows"
    config_keys = ("kept",)

    def __init__(self, field_rows: list[int], dim: int, kept: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            kept: shared rows.
        """
        super().__init__(field_rows, dim)
        self.kept = kept
        kind = torch.uint16 if kept <= 2**16 else torch.int32
        self.register_buffer("map", torch.zeros(sum(field_rows), dtype=kind))
        self.register_buffer("rows", torch.zeros(kept, dim))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int) -> dict:
        return largest(cls, budget, lambda kept: spec.sizes() | {"kept": kept}, 1, spec.rows)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        vectors = np.ascontiguousarray(weight.cpu().numpy())
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # sums in one order
        try:
            means = faiss.Kmeans(
                self.dim, self.kept, niter=_ITERATIONS, min_points_per_centroid=1,
                seed=int(torch.randint(2**31 - 1, (1,), generator=rng)),
                max_points_per_centroid=len(vectors),
            )  # fmt: skip
            means.train(vectors, weights=(spec.counts.numpy() + 1.0).astype(np.float32) ** 0.5)
            nearest = means.index.search(vectors, 1)[1][:, 0]
        finally:
            faiss.omp_set_num_threads(threads)
        self.rows.copy_(torch.from_numpy(means.centroids))
        self.map.copy_(torch.from_numpy(nearest))

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, pointed(self.map, ids))
