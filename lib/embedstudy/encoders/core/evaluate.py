"""Quality of an encoder: Spearman correlation on sentence pairs, nDCG@10 of retrieval.

Every figure comes with the values it is computed from, pair by pair or query by query, so that two
encoders can be compared on the same resamples.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from embedstudy.encoders.core.bm25 import BM25
from embedstudy.encoders.core.sets import Retrieval

Encode = Callable[[Sequence[str]], np.ndarray]  # texts -> float32 [texts, dim]
BLOCK = 256  # queries scored at a time


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def pair_cosines(encode: Encode, pairs: pl.DataFrame) -> np.ndarray:
    """The cosine of the two sentences of each pair, float64 [pairs]."""
    sentences = pl.concat([pairs["sentence1"], pairs["sentence2"]]).to_list()
    first, second = np.split(unit(encode(sentences).astype(np.float64)), 2)
    return (first * second).sum(axis=1)


def spearman(cosines: np.ndarray, scores: np.ndarray) -> float:
    """Rank correlation × 100, over all pairs at once.

    For STS 2012 to 2016 that is one correlation over the year's subsets together ("all" in SentEval),
    as in MTEB and the published figures, not a mean over subsets.
    """
    return 100 * float(spearmanr(cosines, scores).statistic)


def encoder_ndcg(encode: Encode, sets: Retrieval, k: int = 10) -> np.ndarray:
    """nDCG@k of each query by the cosine of its vector with every document's, exactly searched."""
    documents = unit(encode(sets.corpus["text"].to_list()))
    queries = unit(encode(sets.queries["text"].to_list()))
    return query_ndcg(lambda rows: queries[rows] @ documents.T, sets, k)


def bm25_ndcg(sets: Retrieval, k: int = 10) -> np.ndarray:
    """nDCG@k of each query by BM25."""
    index = BM25(sets.corpus["text"].to_list())
    texts = sets.queries["text"].to_list()
    return query_ndcg(lambda rows: index.scores(texts[rows]), sets, k)


def query_ndcg(score: Callable[[slice], np.ndarray], sets: Retrieval, k: int = 10) -> np.ndarray:
    """nDCG@k of each query, float64 [queries] in the order of ``sets.queries``.

    A document of relevance r at rank p (from 1) adds r / log2(p + 1), divided by the best sum there
    can be: linear gains, as trec_eval and BEIR count them. Of equal scores the earlier document ranks
    first.

    Args:
        score: ``score(rows)`` gives the scores [rows, documents] of a slice of the queries.
        sets: the corpus, queries and judgements.
        k: ranks that count.
    """
    asked, found, relevance = judged_rows(sets)
    rank = np.concatenate(
        [
            _ranks(score(slice(start, start + BLOCK)), asked[mine] - start, found[mine])
            for start in range(0, sets.queries.height, BLOCK)
            for mine in [slice(*np.searchsorted(asked, [start, start + BLOCK]))]
        ]
    )
    gain = np.where(rank < k, relevance / np.log2(rank + 2), 0)
    # A query's pairs stand by falling relevance, so their places are the ideal ranks.
    ideal = np.arange(len(asked)) - np.searchsorted(asked, asked)
    best = np.where(ideal < k, relevance / np.log2(ideal + 2), 0)
    height = sets.queries.height
    return np.bincount(asked, gain, height) / np.bincount(asked, best, height)


def judged_rows(sets: Retrieval) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of the query, row of the document and relevance of each judged pair, by query."""
    rows = sets.qrels.join(_rows(sets.queries, "query"), on="query", maintain_order="left")
    rows = rows.join(_rows(sets.corpus, "document"), on="document", maintain_order="left")
    rows = rows.sort("query_row", "relevance", descending=[False, True], maintain_order=True)
    return tuple(rows[name].to_numpy() for name in ("query_row", "document_row", "relevance"))


def _rows(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.select(pl.col("id").alias(name)).with_columns(
        pl.int_range(pl.len()).alias(f"{name}_row")
    )


def _ranks(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The rank from 0 of document ``columns[i]`` for the query in row ``rows[i]`` of ``scores``."""
    of_query = scores[rows]
    mine = scores[rows, columns][:, None]
    earlier = np.arange(scores.shape[1]) < columns[:, None]
    return ((of_query > mine) | ((of_query == mine) & earlier)).sum(axis=1)
