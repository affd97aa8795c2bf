"""Product quantisation of a trained table, and its rotated form OPQ.

Jégou et al., "Product Quantization for Nearest Neighbor Search" (TPAMI 2011); Ge et al., "Optimized
Product Quantization" (CVPR 2013), in the implementation of faiss.
"""

from collections.abc import Iterable

import faiss
import numpy as np
import torch
from torch import Tensor

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import Table, TableSpec, check, lookup, planned_bytes
from embedstudy.tables.core.packing import pack, packed_bytes, padded, unpack
from embedstudy.tables.core.post_training import PostTraining

_BITS = range(2, 9)
_SAMPLE = 64  # training rows a centroid at most: four times faster than faiss' 256, as good here


class PQ(PostTraining):
    """E[x] = [c_1[k_1(x)] ... c_P[k_P(x)]], P parts of d / P columns with 2^bits centroids each.

    Where P does not divide d, zero columns are added and cut off again.

    OPQ learns an orthogonal rotation before, stored and undone at look-up. Codes are packed without
    gaps; codebooks and rotation are in the file. All fields share the codebooks, as a small budget
    could not pay for one each.

    The budget decides P and bits: of the pairs that fit, the one with most code bits a row, then
    the larger codebooks. Rows weigh alike in K-means.
    """

    method = "pq"
    config_keys = ("parts", "bits", "rotate")

    def __init__(self, field_rows: list[int], dim: int, parts: int, bits: int, rotate: bool):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            parts: P, codes of a row, 1 to ``dim``.
            bits: of a code, 2 to 8: a part has 2^bits centroids.
            rotate: whether rows are rotated before (OPQ).
        """
        super().__init__(field_rows, dim)
        check(self.method, "bits", bits, _BITS)
        check(self.method, "rotate", rotate, (True, False))
        check(self.method, "parts", parts, range(1, dim + 1))
        self.parts, self.bits, self.rotate = parts, bits, rotate
        self.width = -(-dim // parts)
        codes = torch.zeros(sum(field_rows), packed_bytes(parts, bits), dtype=torch.uint8)
        self.register_buffer("codes", codes)
        self.register_buffer("centroids", torch.zeros(parts, 2**bits, self.width))
        self.register_buffer("rotation", torch.zeros(2 * (self.width * parts,)) if rotate else None)

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, rotate: bool = False) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            rotate: whether rows are rotated before (OPQ).
        """
        bits = [b for b in _BITS if 2**b <= spec.rows]  # K-means needs a row for each centroid
        if not bits:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {2 ** _BITS[0]} rows, this table has {spec.rows}."
            )
        return largest_code(cls, spec.sizes() | {"rotate": rotate}, bits, budget)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        vectors = np.ascontiguousarray(padded(weight, self.parts).cpu().numpy())
        seed = int(torch.randint(2**31 - 1, (1,), generator=rng))
        quantiser = _fit(vectors, self.parts, self.bits, seed, self.rotate)
        if self.rotate:
            rotation, quantiser = quantiser
            vectors = vectors @ rotation
            self.rotation.copy_(torch.from_numpy(rotation))
        centroids = faiss.vector_to_array(quantiser.centroids)
        self.centroids.copy_(torch.from_numpy(centroids).view(self.centroids.shape))
        vectors = torch.from_numpy(vectors).to(self.centroids.device)  # faiss works on the CPU
        self.codes.copy_(pack(nearest(vectors, self.centroids), self.bits))

    def forward(self, ids: Tensor) -> Tensor:
        codes = unpack(lookup(self.codes, ids.flatten()), self.bits, self.parts)
        vectors = joined(self.centroids, codes)
        if self.rotate:
            vectors = vectors @ self.rotation.T
        return vectors[:, : self.dim].reshape(*ids.shape, self.dim)


def largest_code(cls: type[Table], sizes: dict, bits: Iterable[int], budget: int) -> dict:
    """The (parts, bits) that fit ``budget`` with most code bits a row, then most bits a code.

    Raises ``InfeasibleBudget`` naming the smallest.
    """
    pairs = [(p, b) for p in part_numbers(sizes["dim"]) for b in bits]
    configs = [sizes | {"parts": p, "bits": b} for p, b in pairs]
    costs = [planned_bytes(cls, config) for config in configs]
    fitting = [config for config, cost in zip(configs, costs, strict=True) if cost <= budget]
    if not fitting:
        raise InfeasibleBudget(
            f"{cls.method} needs at least {min(costs):,} bytes for this table, the budget is "
            f"{budget:,} bytes."
        )
    return max(fitting, key=lambda c: (c["parts"] * c["bits"], c["bits"]))


def joined(centroids: Tensor, codes: Tensor) -> Tensor:
    """Centroids of codes, side by side: [parts, k, width], int64 [n, parts] -> [n, d]."""
    parts, k, _ = centroids.shape
    first = torch.arange(0, parts * k, k, device=codes.device)
    return lookup(centroids.flatten(0, 1), codes + first).flatten(1)


def part_numbers(dim: int) -> list[int]:
    """In how many parts a row may be cut: parts of 1, 2, 4, ... columns, none of them empty."""
    return sorted({-(-dim // 2**i) for i in range(dim.bit_length() + 1)})


def nearest(vectors: Tensor, centroids: Tensor) -> Tensor:
    """Index of the nearest centroid of each part: [n, d], [parts, k, d / parts] -> int64 [n, parts]."""
    parts, _, width = centroids.shape
    split = vectors.view(len(vectors), parts, width).transpose(0, 1)
    chosen = [
        torch.cat([torch.cdist(rows, table).argmin(1) for rows in part.split(65536)])
        for part, table in zip(split, centroids, strict=True)
    ]
    return torch.stack(chosen, 1)


def _fit(vectors: np.ndarray, parts: int, bits: int, seed: int, rotate: bool):
    """A trained product quantiser; with ``rotate`` the pair (rotation [d, d], quantiser)."""
    count = len(vectors)
    limit = _SAMPLE * 2**bits
    if count > limit:  # faiss would draw the same kind of sample, but warn
        rows = np.random.default_rng(seed).choice(count, limit, replace=False)
        vectors = np.ascontiguousarray(vectors[np.sort(rows)])
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        if not rotate:
            return _quantiser(vectors, parts, bits, seed)
        matrix = faiss.OPQMatrix(vectors.shape[1], parts)
        matrix.pq = inner = _untrained(vectors.shape[1], parts, bits, seed)
        matrix.niter, matrix.niter_pq_0, matrix.verbose = 10, 20, False
        matrix.train(vectors)
        rotation = faiss.vector_to_array(matrix.A).reshape(vectors.shape[1], -1).T.copy()
        matrix.pq = None
        del inner
        return rotation, _quantiser(np.ascontiguousarray(vectors @ rotation), parts, bits, seed)
    finally:
        faiss.omp_set_num_threads(threads)


def _untrained(dim: int, parts: int, bits: int, seed: int):
    quantiser = faiss.ProductQuantizer(dim, parts, bits)
    quantiser.cp.seed = seed
    quantiser.cp.min_points_per_centroid = 1
    quantiser.cp.max_points_per_centroid = _SAMPLE
    return quantiser


def _quantiser(vectors: np.ndarray, parts: int, bits: int, seed: int):
    quantiser = _untrained(vectors.shape[1], parts, bits, seed)
    quantiser.train(vectors)
    return quantiser
