"""Exact search in blocks, and what a ranking is worth, query by query.

A ranking is an array int64 [queries, k] of document rows, best first. Of equal scores the document that
stands earlier in the corpus ranks first, so that codes of few bits, which tie often, rank the same way
on every machine.

Judgements are three arrays of one length: row of the query, row of the document, relevance. A document
that is not judged has relevance 0. A query without a relevant document has no value: NaN.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

CELLS = 2**24  # scores held at a time


class Judged(NamedTuple):
    """Which document is how relevant to which query."""

    query: np.ndarray
    document: np.ndarray
    relevance: np.ndarray


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Columns of the ``k`` highest scores of each row, best first, ties by column: int64 [rows, k]."""
    columns = scores.shape[1]
    k = min(k, columns)
    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    last = np.partition(scores, columns - k, axis=1)[:, columns - k, None]
    above, tied = scores > last, scores == last
    room = k - above.sum(axis=1, keepdims=True)
    taken = above | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= room))
    chosen = np.nonzero(taken)[1].reshape(
        -1, k
    )  # rising columns, so a stable sort keeps ties right
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


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
    block = max(k, cells // max(1, len(queries)), 1)
    found = np.empty((len(queries), 0), np.int64)
    values = np.empty((len(queries), 0), np.float32)
    for start in range(0, len(documents), block):
        scores = np.asarray(score(queries, documents[start : start + block]))
        top = best(scores, k)
        # What was found before stands first, in order of rank: of ties the earlier document stays.
        found = np.concatenate([found, top + start], axis=1)
        values = np.concatenate([values, np.take_along_axis(scores, top, axis=1)], axis=1)
        kept = best(values, k)
        found = np.take_along_axis(found, kept, axis=1)
        values = np.take_along_axis(values, kept, axis=1)
    return found


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
    found = (gains / np.log2(np.arange(gains.shape[1]) + 2)).sum(axis=1)
    query, _, relevance = _relevant(judged)
    order = np.lexsort((-relevance, query))
    query, relevance = query[order], relevance[order]
    ideal = np.arange(len(query)) - np.searchsorted(query, query)
    gain = np.where(ideal < k, relevance / np.log2(ideal + 2), 0)
    return _ratio(found, np.bincount(query, gain, len(ranking)))


def recall_at_k(ranking: np.ndarray, judged: Judged, k: int = 10) -> np.ndarray:
    """Share of each query's relevant documents among its first ``k``, float64 [queries]."""
    found = (relevances(ranking[:, :k], judged) > 0).sum(axis=1)
    return _ratio(found, np.bincount(_relevant(judged).query, minlength=len(ranking)))


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
