"""One bit a number: signs of the dimensions, Hamming and float-query scoring, and rescoring."""

import copy
from typing import Self

import numpy as np

from embedstudy.codes.base import Codec, check_option
from embedstudy.codes.shortlist import hamming_ranking
from embedstudy.core.errors import StudyError
from embedstudy.measure import retrieval

_QUERY_BLOCK = 16  # queries whose shortlists are rescored together
# The eight signs that a byte stands for, float32 [256, 8].
_SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) * 2 - 1


class SignCodec(Codec):
    """Bits of ``_project(vectors)``: 1 where the projection is above zero, 0 where it is zero or below.

    ``queries`` says what a query is compared as: ``codes``, its own bits (symmetric; the score is
    bits - 2 x Hamming distance), or ``float`` (asymmetric; the inner product with the decoded vector).
    A subclass implements ``_project`` and ``_unproject``, from signs -1 and +1 back to vectors.

    Args:
        queries: ``float`` or ``codes``.
    """

    scoring_options = ("queries",)

    def __init__(self, queries: str = "float"):
        super().__init__()
        check_option(self.method, "queries", queries, ("float", "codes"))
        self.queries = queries

    @property
    def symmetric(self) -> bool:
        return self.queries == "codes"

    def bits(self, dim: int) -> int:
        """Bits of the code of a vector of ``dim`` dimensions."""
        raise NotImplementedError

    def with_float_queries(self) -> Self:
        changed = copy.copy(self)
        changed.queries = "float"
        return changed

    def code_bytes(self, dim: int) -> int:
        return -(-self.bits(dim) // 8)

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return np.packbits(self._project(vectors) > 0, axis=1)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self._unproject(signs(codes, self.bits(self.dim)))

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """float32 [queries, n]: bits that agree minus bits that differ, or query x decoded vector."""
        if not self.symmetric:
            return super().score(queries, codes)
        distance = hamming(self.encode(queries), codes)
        return np.float32(self.bits(self.dim)) - 2 * distance.astype(np.float32)

    def search(self, queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        if not self.symmetric:
            return super().search(queries, codes, k)
        return hamming_ranking(self.encode(queries), codes, k)

    def _project(self, vectors: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _unproject(self, signs: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Binary(SignCodec):
    """Is each dimension above its threshold? One bit a dimension.

    ``threshold``: ``zero``, as ``quantize_embeddings`` of sentence-transformers and usearch have it (a
    zero counts as below), or the ``median`` of the training vectors, so that each bit is one half of
    the time. ``levels`` says what a bit is decoded to, for float queries:

    - ``sign``: -1 or +1, divided by sqrt(d) to unit length. The libraries' {0, 1} ranks the same: it is
      half of that plus a term of the query alone.
    - ``means``: the mean of the training values on its side of the threshold, the decoding of least
      squared error; costs 2 d floats of codebook.

    Args:
        threshold: ``zero`` or ``median``.
        queries: ``float`` or ``codes``, as in ``SignCodec``.
        levels: ``sign`` or ``means``.
    """

    method = "binary"

    def __init__(self, threshold: str = "zero", *, queries: str = "float", levels: str = "sign"):
        super().__init__(queries)
        check_option(self.method, "threshold", threshold, ("zero", "median"))
        check_option(self.method, "levels", levels, ("sign", "means"))
        self.threshold, self.levels = threshold, levels

    def _name(self) -> str:
        parts = ["binary"] + ["median"] * (self.threshold == "median")
        parts += ["means"] * (self.levels == "means") + ["hamming"] * (self.queries == "codes")
        return "-".join(parts)

    @property
    def learns(self) -> bool:
        return self.threshold == "median" or self.levels == "means"

    def bits(self, dim: int) -> int:
        return dim

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if self.threshold == "median":
            self.codebooks["threshold"] = np.median(train, axis=0).astype(np.float32)
        if self.levels == "means":
            above = self._project(train) > 0
            high = _masked_mean(train, above)
            self.codebooks["low"] = _masked_mean(train, ~above)
            self.codebooks["high"] = high

    def _project(self, vectors: np.ndarray) -> np.ndarray:
        threshold = self.codebooks.get("threshold")
        return vectors if threshold is None else vectors - threshold

    def _unproject(self, signs: np.ndarray) -> np.ndarray:
        if self.levels == "means":
            return np.where(signs > 0, self.codebooks["high"], self.codebooks["low"])
        return signs / np.float32(np.sqrt(self.dim))


class Rescored(Codec):
    """A short list by a cheap codec, ranked anew by a better one.

    The ``first`` codec's ``factor`` x k best are scored by ``second``. Both codes are stored and
    counted. Without ``second``, the first codec's own codes are scored with float queries, which needs
    no further byte: what sentence-transformers and Shakir et al., "Binary and Scalar Embedding
    Quantization for Significantly Faster & Cheaper Retrieval" (2024) call rescoring. The latter list
    4 x k binary codes; ``semantic_search_faiss`` lists 2 x k unless told otherwise, takes bits as 0
    and 1, which ranks as -1 and +1 do, and de-quantises integers.

    A short list depends on k, so there is no score of all documents, only ``search``.

    Args:
        first: the codec that lists, not fitted; where ``second`` is None, one of signs or integers
            whose queries are codes.
        second: the codec that ranks the list, not fitted.
        factor: listed documents for each one that is asked for; at least 1.
    """

    method = "rescored"

    def __init__(self, first: Codec, second: Codec | None = None, *, factor: int = 4):
        super().__init__()
        if second is None and not first.symmetric:
            raise StudyError(
                f"{first.name} scores float queries already: name a second codec to rescore it."
            )
        if second is None:
            first.with_float_queries()  # raises where there is no such rule
        if factor < 1:
            raise StudyError(f"rescored: factor is {factor}, it must be at least 1.")
        self.first, self.second, self.factor = first, second, factor

    @property
    def random(self) -> bool:
        return any(stage.random for stage in self.stages())

    @property
    def learns(self) -> bool:
        return any(stage.learns for stage in self.stages())

    def stages(self) -> tuple[Codec, ...]:
        return (self.first, self.second) if self.second else (self.first,)

    def train_per_centroid(self) -> float | None:
        counts = [stage.train_per_centroid() for stage in self.stages()]
        return min((count for count in counts if count is not None), default=None)

    def _name(self) -> str:
        second = self.second.name if self.second else "float"
        return f"{self.first.name}+{second}x{self.factor}"

    def code_bytes(self, dim: int) -> int:
        return sum(stage.code_bytes(dim) for stage in self.stages())

    def codebook_bytes(self) -> int:
        return sum(stage.codebook_bytes() for stage in self.stages())

    def check_dim(self, dim: int) -> None:
        for stage in self.stages():
            stage.check_dim(dim)

    def _fit(self, train: np.ndarray, seed: int) -> None:
        for stage in self.stages():
            stage.fit(train, seed)

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return np.concatenate([stage.encode(vectors) for stage in self.stages()], axis=1)

    def _stages(self, codes: np.ndarray) -> tuple[np.ndarray, Codec, np.ndarray]:
        """The first stage's codes, the second stage's codec and its codes."""
        if not self.second:
            return codes, self.first.with_float_queries(), codes
        split = self.first.code_bytes(self.dim)
        return codes[:, :split], self.second, codes[:, split:]

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        _, second, codes = self._stages(codes)
        return second.decode(codes)

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        raise StudyError(f"{self.name} scores a short list that depends on k: use search.")

    def search(self, queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        """The ``k`` best of the ``factor`` x k best of the first stage, int64 [queries, k]."""
        queries = self._checked(queries)
        first, second, codes = self._stages(codes)
        listed = np.sort(self.first.search(queries, np.ascontiguousarray(first), self.factor * k))
        blocks = range(0, len(queries), _QUERY_BLOCK)
        rankings = [
            _rescore(second, queries[i : i + _QUERY_BLOCK], codes, listed[i : i + _QUERY_BLOCK], k)
            for i in blocks
        ]
        return np.concatenate([np.empty((0, min(k, listed.shape[1])), np.int64), *rankings])


def signs(codes: np.ndarray, bits: int) -> np.ndarray:
    """Packed codes uint8 [n, bytes] as -1 and +1: float32 [n, bits]."""
    return _SIGNS.take(codes, axis=0).reshape(len(codes), -1)[:, :bits]


def hamming(queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Bits that differ between rows of packed codes uint8 [q, bytes] and [n, bytes]: int32 [q, n]."""
    first, second = _words(queries), _words(codes)
    distance = np.zeros((len(queries), len(codes)), np.int32)
    for word in range(first.shape[1]):
        distance += np.bitwise_count(first[:, word, None] ^ second[None, :, word])
    return distance


def _words(codes: np.ndarray) -> np.ndarray:
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8)))
    return np.ascontiguousarray(padded).view(np.uint64)


def _masked_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of the chosen values of each column; of none, the mean of the column."""
    count = mask.sum(axis=0)
    total = np.where(mask, values, 0).sum(axis=0, dtype=np.float64)
    mean = np.where(count > 0, total / np.maximum(count, 1), values.mean(axis=0))
    return mean.astype(np.float32)


def _rescore(
    codec: Codec, queries: np.ndarray, codes: np.ndarray, listed: np.ndarray, k: int
) -> np.ndarray:
    """Rank ``listed`` [queries, m], rising document rows, by another codec's scores."""
    documents, place = np.unique(listed, return_inverse=True)
    scores = codec.score(queries, np.ascontiguousarray(codes[documents]))
    scores = np.take_along_axis(scores, place.reshape(listed.shape), axis=1)
    return np.take_along_axis(listed, retrieval.best(scores, k), axis=1)
