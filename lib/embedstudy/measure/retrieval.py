"""Exact search in blocks, and what a ranking is worth, query by query.

A ranking is an array int64 [queries, k] of document rows, best first. Of equal scores the document that
stands earlier in the corpus ranks first, so that codes of few bits, which tie often, rank the same way
on every machine.

Judgements are three arrays of one length: row of the query, row of the document, relevance. A document
that is not judged has relevance 0. A query without a relevant document has no value: NaN.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

CELLS = 2**24  # scores held at a time
DOCUMENTS = 8192  # documents scored at a time, so that decoded vectors stay in the cache
_NARROW = 16  # columns a hit up to which sorting whole rows is cheapest
_PARTS = 32  # parts of a row whose largest entries bound its k-th best score


class Judged(NamedTuple):
    """Which document is how relevant to which query."""

    query: np.ndarray
    document: np.ndarray
    relevance: np.ndarray


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Columns of the ``k`` highest scores of each row, best first, ties by column: int64 [rows, k]."""
    k = min(k, scores.shape[1])
    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    if scores.shape[1] < _NARROW * k:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    chosen = np.empty((len(scores), k), np.int64)
    for mine, row in zip(chosen, scores, strict=True):
        high = np.flatnonzero(
            row >= _bound(row, k)
        )  # rising columns: a stable sort keeps ties right
        mine[:] = high[np.argsort(-row[high], kind="stable")[:k]]
    return chosen


def _bound(row: np.ndarray, k: int) -> float:
    """A score that at least ``k`` entries of a long row reach, and few more than ``k``.

    Of places that are all different, the k-th highest of their largest entries is such a score: place
    j holds the entries j, j + width, j + 2 width ..., so that one pass finds the largest of each.
    """
    parts = min(len(row) // (4 * k), _PARTS)
    width = len(row) // parts
    largest = row[: width * parts].reshape(parts, width).max(axis=0)
    return np.partition(largest, width - k)[width - k]


def search(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    cells: int = CELLS,
) -> np.ndarray:
    """The ranking of the ``k`` best documents of each query, found by scoring every document.

    ``score(queries, rows of documents)`` gives float [queries, rows], higher is better; documents are
    vectors or codes. At most ``cells`` scores are held at a time. Fewer documents than ``k`` give a
    ranking of all.
    """
    return search_scores(score, queries, documents, k, cells)[0]


def search_scores(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    cells: int = CELLS,
) -> tuple[np.ndarray, np.ndarray]:
    """What ``search`` gives, and the scores of the ranked documents, float [queries, k]."""
    ranking = np.empty((len(queries), 0), np.int64)
    values = np.empty((len(queries), 0), np.float32)
    for rows in _blocks(len(documents), max(k, min(DOCUMENTS, cells // max(1, len(queries))), 1)):
        scores = np.asarray(score(queries, documents[rows]))
        top = best(scores, k)
        # What was ranked before stands first, in order of rank: of ties the earlier document stays.
        ranking = np.concatenate([ranking, top + rows.start], axis=1)
        values = np.concatenate([values, np.take_along_axis(scores, top, axis=1)], axis=1)
        kept = best(values, k)
        ranking = np.take_along_axis(ranking, kept, axis=1)
        values = np.take_along_axis(values, kept, axis=1)
    return ranking, values


def _blocks(count: int, most: int) -> Iterator[slice]:
    """Slices of at most ``most`` rows and of about one length.

    A last block of a few rows would be multiplied by another routine, which rounds otherwise.
    """
    size = -(-count // -(-count // most)) if count else 1
    yield from (slice(start, min(start + size, count)) for start in range(0, count, size))


def inner_product(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """The score of exact float search; of unit vectors the cosine."""
    return queries @ documents.T


def relevances(ranking: np.ndarray, judged: Judged) -> np.ndarray:
    """The relevance of every ranked document, float64 [queries, k]; below zero counts as zero."""
    query, document, relevance = _relevant(judged)
    if not len(query):
        return np.zeros(ranking.shape)
    width = max(document.max(), ranking.max(initial=0)) + 1
    keys = query * width + document
    order = np.argsort(keys)
    asked = np.arange(len(ranking))[:, None] * width + ranking
    place = np.minimum(np.searchsorted(keys, asked, sorter=order), len(keys) - 1)
    nearest = order[place]
    return np.where(keys[nearest] == asked, relevance[nearest], 0.0)


def ndcg_at_k(ranking: np.ndarray, judged: Judged, k: int = 10) -> np.ndarray:
    """nDCG@k of each query, float64 [queries].

    A document of relevance r at rank p (from 1) adds r / log2(p + 1), divided by the best sum there can
    be: linear gains, as trec_eval and BEIR count them.
    """
    gains = relevances(ranking[:, :k], judged)
    gained = (gains / np.log2(np.arange(gains.shape[1]) + 2)).sum(axis=1)
    query, _, relevance = _relevant(judged)
    order = np.lexsort((-relevance, query))
    query, relevance = query[order], relevance[order]
    ideal = np.arange(len(query)) - np.searchsorted(query, query)
    gain = np.where(ideal < k, relevance / np.log2(ideal + 2), 0)
    return _ratio(gained, np.bincount(query, gain, len(ranking)))


def recall_at_k(ranking: np.ndarray, judged: Judged, k: int = 10) -> np.ndarray:
    """Share of each query's relevant documents among its first ``k``, float64 [queries]."""
    hits = (relevances(ranking[:, :k], judged) > 0).sum(axis=1)
    return _ratio(hits, np.bincount(_relevant(judged).query, minlength=len(ranking)))


def reciprocal_rank(ranking: np.ndarray, judged: Judged, k: int | None = None) -> np.ndarray:
    """1 / rank of each query's first relevant document, 0 if not among the first ``k`` (all ranked).

    Its mean is the mean reciprocal rank, MRR@k.
    """
    hits = relevances(ranking[:, :k], judged) > 0
    value = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    relevant = np.bincount(_relevant(judged).query, minlength=len(ranking))
    return np.where(relevant > 0, value, np.nan)


def agreement_at_k(ranking: np.ndarray, exact: np.ndarray, k: int = 10) -> np.ndarray:
    """Share of the first ``k`` of ``exact`` (the ranking of fp32 search) among the first ``k`` of
    ``ranking``, whatever their order: float64 [queries]."""
    mine, theirs = ranking[:, :k], exact[:, :k]
    width = max(mine.max(initial=0), theirs.max(initial=0)) + 1
    rows = np.arange(len(ranking))[:, None] * width
    return np.isin(theirs + rows, mine + rows).mean(axis=1)


def _relevant(judged: Judged) -> Judged:
    arrays = [np.asarray(part) for part in judged]
    mine = arrays[2] > 0
    return Judged(
        arrays[0][mine].astype(np.int64), arrays[1][mine].astype(np.int64), arrays[2][mine]
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
