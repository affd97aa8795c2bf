"""CCE: hashed sums whose first hash is replaced by learned clusters while training goes on.

Tsang and Ahle, "Clustering the Sketch: Dynamic Compression for Embedding Tables" (NeurIPS 2023),
algorithm 3.
"""

import faiss
import numpy as np
import torch
from torch import Tensor, nn

from embedstudy.core.seeding import derive
from embedstudy.tables.core.base import (
    Table,
    TableSpec,
    check,
    check_share,
    largest,
    lookup,
    per_distinct,
)
from embedstudy.tables.core.hashing import UniversalHash
from embedstudy.tables.core.packing import pack, packed_bytes, padded, unpack

_CLUSTERS = 1024  # at most: K-means in 4 columns then takes seconds
_SAMPLE = 200  # ids a cluster that K-means sees, as the authors' code


class CCE(Table):
    """Columns in ``chunks`` parts, each T0[h0(x)] + T1[h1(x)], d / chunks columns wide.

    h1 is a seeded hash. h0 is stored: a pointer for each id and chunk, packed. It starts random; at
    the end of each of the first ``clusterings`` epochs K-means clusters the current vectors of each
    chunk, T0 becomes the centroids, h0 the assignment, h1 a new hash, and T1 the mean of what the
    centroids leave over in each of its slots. Moments of Adam start anew with them.

    Departures: pointers count as bytes (published results leave them out), so no table is smaller
    than about ``chunks`` pointers an id. T0 has at most 1,024 rows, T1 the rest; the paper's are
    equal. All fields share both. Epochs before the last clustering cannot be the best one. The
    authors' example clusters after each of the first 75 % of its 10 epochs (``clusterings=0.75``);
    here it is the first two, as training stops early and a run would be held to 75 % of its limit.
    """

    method = "cce"
    config_keys = ("chunks", "size", "seed")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        chunks: int,
        size: int,
        seed: int,
        clusterings: int | float = 2,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            chunks: parts of a row that are shared independently, 1 to ``dim``.
            size: rows of T0 and T1 together.
            seed: of the hash functions and of K-means.
            clusterings: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        check(self.method, "chunks", chunks, range(1, dim + 1))
        self.chunks, self.size, self.seed, self.clusterings = chunks, size, seed, clusterings
        clusters = min(_CLUSTERS, max(1, size // 2))
        self.bits = max(1, (clusters - 1).bit_length())
        width = -(-dim // chunks)  # columns past ``dim`` are cut off
        self.first = nn.Parameter(torch.empty(chunks, clusters, width))
        self.second = nn.Parameter(torch.empty(chunks, size - clusters, width))
        pointers = torch.zeros(sum(field_rows), packed_bytes(chunks, self.bits), dtype=torch.uint8)
        self.register_buffer("pointers", pointers)
        self.register_buffer("round", torch.zeros((), dtype=torch.int64))

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        chunks: int = 4,
        clusterings: int | float = 2,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            chunks: parts of a row that are shared independently, 1 to 64; at most ``dim`` are made.
            clusterings: epochs that end with one, 0 to 1,000, or a share of the limit of epochs
                between 0 and 1. The last epoch never does.
        """
        check(cls.method, "chunks", chunks, range(1, 65))
        if isinstance(clusterings, float):
            check_share(cls.method, "clusterings", clusterings)
        else:
            check(cls.method, "clusterings", clusterings, range(1001))
        sizes = spec.sizes() | {"chunks": min(chunks, spec.dim), "seed": seed}
        sizes |= {"clusterings": clusterings}
        return largest(cls, budget, lambda size: sizes | {"size": size}, 2, spec.rows + 2)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        for table in (self.first, self.second):
            nn.init.normal_(table, std=spec.init_std / 2**0.5, generator=rng)
        clusters = self.first.shape[1]
        drawn = torch.randint(clusters, (len(self.pointers), self.chunks), generator=rng)
        self.pointers.copy_(pack(drawn, self.bits))

    def hashed(self, ids: Tensor) -> Tensor:
        """h1 of int64 ids [n]: [n, chunks]."""
        seed = derive(self.seed, "cce", int(self.round))
        slots = self.second.shape[1]
        return torch.stack([UniversalHash(seed, c)(ids, slots) for c in range(self.chunks)], 1)

    def forward(self, ids: Tensor) -> Tensor:
        return per_distinct(ids, self.vectors)

    def vectors(self, ids: Tensor) -> Tensor:
        """The vectors of int64 ids [n]: [n, dim]."""
        pointers = unpack(self.pointers[ids], self.bits, self.chunks)
        chunk = torch.arange(self.chunks, device=ids.device)
        first, second = (
            lookup(table.flatten(0, 1), index + chunk * table.shape[1])
            for table, index in ((self.first, pointers), (self.second, self.hashed(ids)))
        )
        return (first + second).flatten(1)[:, : self.dim]

    @torch.no_grad()
    def cluster(self) -> None:
        """Replace h0 by clusters of the current vectors, and h1 by a new hash."""
        ids = torch.arange(len(self.pointers), device=self.pointers.device)
        vectors = padded(self.vectors(ids), self.chunks).view(len(ids), self.chunks, -1)
        seed = derive(self.seed, "clusters", int(self.round)) % 2**31
        self.round += 1
        hashed, pointers = self.hashed(ids), []
        for c in range(self.chunks):
            centroids, nearest = kmeans(vectors[:, c], self.first.shape[1], seed + c)
            self.first[c] = centroids
            residual = vectors[:, c] - centroids[nearest]
            sums = torch.zeros_like(self.second[c]).index_add_(0, hashed[:, c], residual)
            counts = torch.bincount(hashed[:, c], minlength=len(sums)).clamp(min=1)
            self.second[c] = sums / counts.unsqueeze(1)
            pointers.append(nearest)
        self.pointers.copy_(pack(torch.stack(pointers, 1), self.bits))

    def recipe(self, trainer) -> None:
        last = clustered_epochs(self.clusterings, trainer.config.epochs)
        done = 0

        def each_epoch(epoch: int) -> None:
            nonlocal done
            done = epoch
            if epoch <= last:
                self.cluster()
                for table in (self.first, self.second):
                    trainer.optimizer.state.pop(table, None)

        trainer.fit(each_epoch=each_epoch, eligible=lambda: done >= last)


def clustered_epochs(clusterings: int | float, limit: int) -> int:
    """How many of at most ``limit`` epochs end with a clustering: never the last one."""
    wanted = int(clusterings * limit) if isinstance(clusterings, float) else clusterings
    return min(wanted, limit - 1)


def kmeans(vectors: Tensor, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Centroids fp32 [clusters, w] of vectors [n, w], and the nearest of each: int64 [n].

    Computed on the CPU; both are where the vectors are. Where there are fewer distinct vectors than
    clusters, the rest of the centroids are zero.
    """
    array = np.ascontiguousarray(vectors.cpu().numpy())
    used = min(clusters, len(np.unique(array, axis=0)))
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        trained = faiss.Kmeans(
            array.shape[1], used, niter=10, seed=seed,
            min_points_per_centroid=1, max_points_per_centroid=_SAMPLE,
        )  # fmt: skip
        trained.train(array)
        _, nearest = trained.index.search(array, 1)
    finally:
        faiss.omp_set_num_threads(threads)
    centroids = torch.zeros(clusters, array.shape[1], device="cpu")
    centroids[:used] = torch.from_numpy(trained.centroids)
    nearest = torch.from_numpy(nearest[:, 0].astype(np.int64))
    return centroids.to(vectors.device), nearest.to(vectors.device)
