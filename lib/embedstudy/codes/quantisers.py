"""Codebooks learned by k-means: product, optimised product and residual quantisation, by faiss.

The score is the inner product of a float query with the decoded vector, which is what asymmetric
look-up tables add up. Training is by one thread and seeded, so that a codec is the same every time.

faiss warns where a centroid has fewer than 39 training vectors. That is told by
``train_per_centroid``, which the study keeps with every row, not by a line on the screen.
"""

import faiss
import numpy as np

from embedstudy.codes import shortlist
from embedstudy.codes.base import Codec, check_count, check_option, sample
from embedstudy.codes.shortlist import one_thread
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive, numpy_generator

_SAMPLE = 256  # training vectors a centroid at most, as in faiss
_FEW = 32  # queries up to which adding up look-up tables beats decoding the corpus
_COPIES = 8  # lists are so much longer, for short codes have copies, which tie
_LOOK_UP = 24  # multiplications that take as long as one look-up, where queries are many
_WIDEST = 256  # parts of 4 bits whose look-up tables of a byte an entry add up in 16 bits


class PQ(Codec):
    """Product quantisation: the vector cut into parts, each replaced by the nearest of 2^bits centroids.

    Jégou et al., "Product Quantization for Nearest Neighbor Search" (TPAMI 2011). ``parts`` must divide
    the dimensions. The codebook is 2^bits x d floats, whatever the parts; with ``bits`` 4 there are
    twice the parts in the same bytes and a sixteenth of the codebook.

    Args:
        parts: of a vector, each of d / parts dimensions.
        bits: 8 or 4, of the code of a part: it has 256 or 16 centroids.
    """

    method = "pq"
    slow_to_fit = True

    def __init__(self, parts: int, bits: int = 8):
        super().__init__()
        check_count(self.method, "parts", parts)
        check_option(self.method, "bits", bits, (8, 4))
        self.parts, self.bits = parts, bits

    @property
    def random(self) -> bool:
        return True

    def train_per_centroid(self) -> float:
        return min(self.trained_on / 2**self.bits, _SAMPLE)

    def _name(self) -> str:
        return self.method + ("" if self.bits == 8 else str(self.bits))

    def check_dim(self, dim: int) -> None:
        if dim % self.parts:
            raise StudyError(
                f"{self.name}: {dim} dimensions cannot be cut into {self.parts} equal parts: use a "
                f"divisor of {dim}."
            )

    def code_bytes(self, dim: int) -> int:
        return -(-self.parts * self.bits // 8)

    def _fit(self, train: np.ndarray, seed: int) -> None:
        with one_thread():
            quantiser = self._untrained(seed)
            quantiser.train(self._sample(train, seed))
        self._keep(quantiser)

    def _sample(self, train: np.ndarray, seed: int) -> np.ndarray:
        centroids = 2**self.bits
        if len(train) < centroids:
            raise StudyError(
                f"{self.name} learns {centroids} centroids: give at least {centroids} training "
                f"vectors, there are {len(train)}."
            )
        rng = numpy_generator(seed, self.method, "sample")
        return sample(train, _SAMPLE * centroids, rng)

    def _untrained(self, seed: int) -> faiss.ProductQuantizer:
        quantiser = faiss.ProductQuantizer(self.dim, self.parts, self.bits)
        _seed(quantiser.cp, seed)
        return quantiser

    def _keep(self, quantiser: faiss.ProductQuantizer) -> None:
        centroids = faiss.vector_to_array(quantiser.centroids)
        self.codebooks["centroids"] = centroids.reshape(self.parts, 2**self.bits, -1)

    def _quantiser(self) -> faiss.ProductQuantizer:
        quantiser = faiss.ProductQuantizer(self.dim, self.parts, self.bits)
        faiss.copy_array_to_vector(self.codebooks["centroids"].ravel(), quantiser.centroids)
        return quantiser

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        with one_thread():
            return self._quantiser().compute_codes(vectors)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        with one_thread():
            return self._quantiser().decode(np.ascontiguousarray(codes))

    def _shortlist(
        self, queries: np.ndarray, codes: np.ndarray, count: int
    ) -> shortlist.Shortlist | None:
        """By look-up tables: inner products of a query's parts with all centroids, added up."""
        quick = self.bits == 4 and self.parts <= _WIDEST
        if not quick and len(queries) > _FEW and self.parts * _LOOK_UP > self.dim:
            return None
        index = faiss.IndexPQ(self.dim, self.parts, self.bits, faiss.METRIC_INNER_PRODUCT)
        index.pq = self._quantiser()
        index = _filled(index, codes)
        error = shortlist.rounding(queries, self._longest(codes))
        if quick:
            index = faiss.IndexPQFastScan(index)
            error += self._table_error(queries)
        else:
            count = min(_COPIES * count, len(codes))
        return shortlist.by_index(index, queries, count, error)

    def _table_error(self, queries: np.ndarray) -> np.ndarray:
        """What fast scan's tables lose, at most: float64 [queries].

        The entries of a query's tables are rounded to multiples of s / 255, s being the largest span
        of a table, so each of the parts is off by s / 510 at most.
        """
        parts = queries.reshape(len(queries), self.parts, -1)
        tables = np.einsum("qpw,pcw->qpc", parts, self.codebooks["centroids"])
        return np.ptp(tables, axis=2).max(axis=1).astype(np.float64) * self.parts / 510


class OPQ(PQ):
    """Product quantisation after a learned rotation, found by turns with the codebooks.

    Ge et al., "Optimized Product Quantization" (CVPR 2013), the non-parametric form. The rotation is
    counted: d x d floats. Iterations are those of faiss' ``OPQMatrix``: 50 turns, 40 steps of k-means
    in the first and 4 in each other; the codebooks are then trained anew on rotated vectors.

    Args:
        parts: of a rotated vector, each of d / parts dimensions.
        bits: 8 or 4, of the code of a part: it has 256 or 16 centroids.
        iterations: turns of codebooks and rotation.
    """

    method = "opq"

    def __init__(self, parts: int, bits: int = 8, *, iterations: int = 50):
        super().__init__(parts, bits)
        check_count(self.method, "iterations", iterations)
        self.iterations = iterations

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if len(train) < self.dim:  # faiss reads beyond its memory
            raise StudyError(
                f"{self.name} learns a rotation of {self.dim} dimensions: give at least as many "
                f"training vectors, there are {len(train)}."
            )
        some = self._sample(train, seed)
        with one_thread():
            inner = self._untrained(seed)
            matrix = faiss.OPQMatrix(self.dim, self.parts)
            matrix.pq, matrix.niter = inner, self.iterations
            matrix.train(train)
            matrix.pq = None  # faiss does not own it
            rotation = faiss.vector_to_array(matrix.A).reshape(self.dim, self.dim).T.copy()
            quantiser = self._untrained(seed)
            quantiser.train(np.ascontiguousarray(some @ rotation))
        self._keep(quantiser)
        self.codebooks["rotation"] = rotation

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return super()._encode(np.ascontiguousarray(vectors @ self.codebooks["rotation"]))

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return super()._decode(codes) @ self.codebooks["rotation"].T

    def _shortlist(self, queries: np.ndarray, codes: np.ndarray, count: int) -> shortlist.Shortlist:
        """By the rotated query, so that no document is rotated back."""
        turned = np.ascontiguousarray(queries @ self.codebooks["rotation"])
        listed = super()._shortlist(turned, codes, count)
        if listed is not None:
            return listed

        def score(turned: np.ndarray, codes: np.ndarray) -> np.ndarray:
            return turned @ PQ._decode(self, codes).T

        error = shortlist.rounding(queries, self._longest(codes))
        return shortlist.by_score(score, turned, codes, count, error)


class RQ(Codec):
    """Residual quantisation: a sum of centroids, each level coding what the levels before left over.

    Chen et al., "Approximate Nearest Neighbor Search by Residual Vector Quantization" (Sensors 2010),
    with the beam search of Babenko and Lempitsky's additive codes as in faiss. One byte a level. Each
    level has 256 x d floats of codebook, so that at many bytes the codebooks weigh more than the codes
    unless the index is large: compare ``bytes_per_vector``.

    Where it departs from faiss' defaults: a level is plain k-means, 10 steps, where faiss starts in few
    dimensions and adds more (``Train_progressive_dim``); the beam is 4 wide, not 5.

    Args:
        levels: centroids that add up to a vector, and bytes of its code.
        beam: partial codes that are kept from level to level while encoding.
    """

    method = "rq"
    slow_to_fit = True

    def __init__(self, levels: int, *, beam: int = 4):
        super().__init__()
        check_count(self.method, "levels", levels)
        check_count(self.method, "beam", beam)
        self.levels, self.beam = levels, beam

    @property
    def random(self) -> bool:
        return True

    def train_per_centroid(self) -> float:
        return min(self.trained_on / 256, _SAMPLE)

    def code_bytes(self, dim: int) -> int:
        return self.levels

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if len(train) < 256:
            raise StudyError(
                f"rq learns 256 centroids a level: give at least 256 training vectors, there are "
                f"{len(train)}."
            )
        train = sample(train, _SAMPLE * 256, numpy_generator(seed, "rq", "sample"))
        with one_thread():
            quantiser = self._untrained()
            _seed(quantiser.cp, seed)
            quantiser.train(train)
        self.codebooks["centroids"] = faiss.vector_to_array(quantiser.codebooks).reshape(
            self.levels, 256, self.dim
        )

    def _untrained(self) -> faiss.ResidualQuantizer:
        quantiser = faiss.ResidualQuantizer(self.dim, self.levels, 8)
        quantiser.train_type = (
            faiss.ResidualQuantizer.Train_default
        )  # plain k-means of each residual
        quantiser.cp.niter = 10
        quantiser.max_beam_size = self.beam
        quantiser.use_beam_LUT = 1  # inner products of centroids once, not residuals of each vector
        return quantiser

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        with one_thread():
            quantiser = self._quantiser()
            quantiser.compute_codebook_tables()
            return quantiser.compute_codes(vectors)

    def _quantiser(self) -> faiss.ResidualQuantizer:
        quantiser = self._untrained()
        faiss.copy_array_to_vector(self.codebooks["centroids"].ravel(), quantiser.codebooks)
        quantiser.is_trained = True
        return quantiser

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        with one_thread():
            return self._quantiser().decode(np.ascontiguousarray(codes))

    def _shortlist(
        self, queries: np.ndarray, codes: np.ndarray, count: int
    ) -> shortlist.Shortlist | None:
        if len(queries) > _FEW:
            return None
        index = faiss.IndexResidualQuantizer(
            self.dim,
            self.levels,
            8,
            faiss.METRIC_INNER_PRODUCT,
            faiss.AdditiveQuantizer.ST_LUT_nonorm,
        )
        index.rq = self._quantiser()
        error = shortlist.rounding(queries, self._longest(codes))
        count = min(_COPIES * count, len(codes))
        return shortlist.by_index(_filled(index, codes), queries, count, error)


def _filled(index: faiss.IndexFlatCodes, codes: np.ndarray) -> faiss.IndexFlatCodes:
    """``index`` over codes that its quantiser gave."""
    index.is_trained = True
    faiss.copy_array_to_vector(np.ascontiguousarray(codes).ravel(), index.codes)
    index.ntotal = len(codes)
    return index


def _seed(parameters: faiss.ClusteringParameters, seed: int) -> None:
    parameters.seed = derive(seed, "quantiser") % 2**31
    parameters.min_points_per_centroid = 1  # no warning: see the head of this module
    parameters.max_points_per_centroid = _SAMPLE
