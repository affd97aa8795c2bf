"""What the quality of an encoder is made of: cosines of sentence pairs, nDCG@10 of queries.

The values come pair by pair or query by query, so that two encoders can be compared on the same
resamples.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from embedstudy.encoders.core.bm25 import BM25
from embedstudy.encoders.core.sets import Retrieval
from embedstudy.measure import retrieval
from embedstudy.measure.vectors import unit

Encode = Callable[[Sequence[str]], np.ndarray]  # texts -> float32 [texts, dim]
_BLOCK = 256  # queries that BM25 scores at a time


def pair_cosines(encode: Encode, pairs: pl.DataFrame) -> np.ndarray:
    """The cosine of the two sentences of each pair, float64 [pairs]."""
    sentences = pl.concat([pairs["sentence1"], pairs["sentence2"]]).to_list()
    first, second = np.split(unit(encode(sentences).astype(np.float64)), 2)
    return (first * second).sum(axis=1)


def encoder_ndcg(encode: Encode, sets: Retrieval, k: int = 10) -> np.ndarray:
    """nDCG@k of each query by the cosine of its vector with every document's, exactly searched."""
    documents = unit(encode(sets.corpus["text"].to_list()))
    queries = unit(encode(sets.queries["text"].to_list()))
    ranking = retrieval.search(retrieval.inner_product, queries, documents, k)
    return retrieval.ndcg_at_k(ranking, retrieval.Judged(*judged_rows(sets)), k)


def bm25_ndcg(sets: Retrieval, k: int = 10) -> np.ndarray:
    """nDCG@k of each query by BM25."""
    index = BM25(sets.corpus["text"].to_list())
    texts = sets.queries["text"].to_list()
    blocks = (texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK))
    ranking = np.concatenate([retrieval.best(index.scores(block), k) for block in blocks])
    return retrieval.ndcg_at_k(ranking, retrieval.Judged(*judged_rows(sets)), k)


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
