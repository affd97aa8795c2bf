"""Search by a quicker score first, with the ranking that the codec's own score gives.

A list holds documents by an approximate score a, best first, and a bound e on |a - s|, s being the
codec's score. k documents have a >= a_k, the k-th best, so the k-th best s is at least a_k - e. A
document with a < a_k - 2 e has s < a_k - e and is not among the k best: where the last one listed is
such a document, all that are not listed are. The others' s decides; where the last one listed may
still belong to the k best, as among many copies of one code, every document is scored.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import faiss
import numpy as np

from embedstudy.measure import retrieval

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]  # queries, codes -> float32 [queries, n]
DOCUMENTS = 16_384  # in a smaller corpus every document is scored
MORE = 32  # documents listed beyond the k that are asked for
_QUERIES = 16  # whose lists are scored together
_ROUNDING = 2.0**-23  # of a sum of float32, relative, a term; two sums are compared


class Shortlist(NamedTuple):
    """Rows of documents int64 [queries, m], best first; their approximate scores float32 [queries,
    m]; how far those can be from the codec's own, float64 [queries]."""

    documents: np.ndarray
    scores: np.ndarray
    error: np.ndarray


def ranking(
    score: Score, queries: np.ndarray, codes: np.ndarray, listed: Shortlist, k: int
) -> np.ndarray:
    """The ``k`` best documents by ``score``, int64 [queries, k]; of ties the earlier document."""
    least = listed.scores[:, k - 1] - 2 * listed.error
    ranked = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), _QUERIES):
        mine = slice(start, start + _QUERIES)
        likely = listed.scores[mine] >= least[mine, None]
        documents = np.unique(listed.documents[mine][likely])
        scores = score(queries[mine], np.ascontiguousarray(codes[documents]))
        ranked[mine] = documents[retrieval.best(scores, k)]
    open_ended = listed.scores[:, -1] >= least
    if open_ended.any():
        ranked[open_ended] = retrieval.search(score, queries[open_ended], codes, k)
    return ranked


def by_score(
    score: Score, queries: np.ndarray, codes: np.ndarray, count: int, error: np.ndarray
) -> Shortlist:
    """The ``count`` best of every document by a score that is quicker to compute."""
    return Shortlist(*retrieval.search_scores(score, queries, codes, count), error)


def by_index(index: faiss.Index, queries: np.ndarray, count: int, error: np.ndarray) -> Shortlist:
    """The ``count`` best by a faiss index of inner products, on one thread."""
    with one_thread():
        scores, documents = index.search(queries, count)
    return Shortlist(documents, scores, error)


def rounding(queries: np.ndarray, length: float) -> np.ndarray:
    """How far two float32 computations of one inner product can lie apart, float64 [queries].

    ``length``: of the longest document. Whatever the order, a sum of d terms is off by d u |q| |x| at
    most, u = 2^-24 (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1), and
    usually by about sqrt(d) u |q| |x|; the rest is room for sums within the decoded vector.
    """
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    return queries.shape[1] * _ROUNDING * lengths * length


def hamming_ranking(queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` codes of uint8 [n, bytes] that differ from each query's in the fewest bits: int64
    [queries, k]; of ties the earlier one, which is how faiss breaks them (``Heap.h``, ``cmp2``)."""
    k = min(k, len(codes))
    if k == 0 or not len(queries):
        return np.empty((len(queries), k), np.int64)
    with one_thread():
        return faiss.knn_hamming(queries, np.ascontiguousarray(codes), k, variant="hc")[1]


@contextmanager
def one_thread() -> Iterator[None]:
    """faiss with one thread, whose sums come in one order."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
