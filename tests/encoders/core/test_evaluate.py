import numpy as np
import polars as pl
import pytest

from embedstudy.encoders.core.evaluate import bm25_ndcg, encoder_ndcg, pair_cosines
from embedstudy.encoders.core.sets import Retrieval


def triple(documents, queries, qrels):
    def texts(found, kind):
        return pl.DataFrame({"id": [f"{kind}{i}" for i in range(len(found))], "text": found})

    rows = [(f"q{query}", f"d{document}", relevance) for query, document, relevance in qrels]
    judged = pl.DataFrame(rows, ["query", "document", "relevance"], orient="row")
    return Retrieval(texts(documents, "d"), texts(queries, "q"), judged)


def scored(scores):
    """An encoder whose cosines of queries and documents rise as ``scores`` [queries, documents]."""
    documents = np.eye(scores.shape[1], dtype=np.float32)
    calls = iter([documents, np.asarray(scores, np.float32)])
    return lambda texts: next(calls)


SETS = triple(["a"] * 4, ["x", "y"], [(1, 2, 1), (0, 3, 1), (0, 0, 4)])
SCORES = np.array([[0.3, 0.9, 0.1, 0.5], [0.9, 0.8, 0.7, 0.6]])


def test_ndcg_by_hand():
    # Query 0: relevance 4 at rank 3, 1 at rank 2. Query 1: relevance 1 at rank 3.
    best = 4 + 1 / np.log2(3)
    expected = [(4 / 2 + 1 / np.log2(3)) / best, 1 / 2]
    assert encoder_ndcg(scored(SCORES), SETS) == pytest.approx(expected)
    cut = encoder_ndcg(scored(SCORES), SETS, k=2)
    assert cut == pytest.approx([1 / np.log2(3) / best, 0])
    assert encoder_ndcg(scored(SCORES), SETS, k=1) == pytest.approx([0, 0])


def test_of_equal_scores_the_earlier_document_ranks_first():
    found = encoder_ndcg(scored(np.zeros((2, 4))), SETS)
    best = 4 + 1 / np.log2(3)
    assert found == pytest.approx([(4 + 1 / np.log2(5)) / best, 1 / 2])


def test_ideal_ranks_stop_at_k():
    many = triple(["a"] * 5, ["x"], [(0, document, 1) for document in range(5)])
    assert encoder_ndcg(scored(np.zeros((1, 5))), many, k=3) == pytest.approx([1])


def test_bm25_scores_blocks_of_queries():
    words = [f"word{i}" for i in range(30)]
    texts = [f"word{i % 30}" for i in range(600)]
    sets = triple(words, texts, [(q, (q + q % 2) % 30, 1) for q in range(600)])
    found = bm25_ndcg(sets)
    assert found[::2].tolist() == [1] * 300, "an even query asks for the document with its word"
    assert (found[1::2] < 1).all()


def test_cosine_not_dot_product_ranks():
    vectors = {"long": [3.0, 4.0], "near": [0.1, 0.0], "ask": [1.0, 0.1]}
    sets = triple(["long", "near"], ["ask"], [(0, 1, 1)])
    encode = lambda texts: np.array([vectors[one] for one in texts], np.float32)  # noqa: E731
    assert encoder_ndcg(encode, sets) == pytest.approx([1])


def test_bm25_finds_the_words():
    documents = ["the wing of a plane", "heat of a plate", "flow"]
    sets = triple(documents, ["Plate heat?", "the flow"], [(0, 1, 1), (1, 2, 1)])
    assert bm25_ndcg(sets)[0] == 1


def test_pair_cosines():
    vectors = {"a": [2.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 5.0]}
    pairs = pl.DataFrame({"sentence1": ["a", "a"], "sentence2": ["b", "c"], "score": [1.0, 2.0]})
    encode = lambda texts: np.array([vectors[one] for one in texts], np.float32)  # noqa: E731
    assert pair_cosines(encode, pairs) == pytest.approx([0.5**0.5, 0])
