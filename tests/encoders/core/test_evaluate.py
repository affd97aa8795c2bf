import numpy as np
import polars as pl
import pytest

from embedstudy.encoders.core.evaluate import (
    bm25_ndcg,
    encoder_ndcg,
    pair_cosines,
    query_ndcg,
    spearman,
)
from embedstudy.encoders.core.sets import Retrieval


def triple(documents, queries, qrels):
    def texts(found, kind):
        return pl.DataFrame({"id": [f"{kind}{i}" for i in range(len(found))], "text": found})

    rows = [(f"q{query}", f"d{document}", relevance) for query, document, relevance in qrels]
    judged = pl.DataFrame(rows, ["query", "document", "relevance"], orient="row")
    return Retrieval(texts(documents, "d"), texts(queries, "q"), judged)


SETS = triple(["a"] * 4, ["x", "y"], [(1, 2, 1), (0, 3, 1), (0, 0, 4)])


def test_ndcg_by_hand():
    scores = np.array([[0.3, 0.9, 0.1, 0.5], [0.9, 0.8, 0.7, 0.6]])
    found = query_ndcg(lambda rows: scores[rows], SETS)
    # Query 0: relevance 4 at rank 3, 1 at rank 2. Query 1: relevance 1 at rank 3.
    best = 4 + 1 / np.log2(3)
    assert found == pytest.approx([(4 / 2 + 1 / np.log2(3)) / best, 1 / 2])
    assert query_ndcg(lambda rows: scores[rows], SETS, k=2) == pytest.approx(
        [1 / np.log2(3) / best, 0]
    )
    assert query_ndcg(lambda rows: scores[rows], SETS, k=1) == pytest.approx([0, 0])


def test_of_equal_scores_the_earlier_document_ranks_first():
    found = query_ndcg(lambda rows: np.zeros((2, 4))[rows], SETS)
    best = 4 + 1 / np.log2(3)
    assert found == pytest.approx([(4 + 1 / np.log2(5)) / best, 1 / 2])


def test_ideal_ranks_stop_at_k():
    many = triple(["a"] * 5, ["x"], [(0, document, 1) for document in range(5)])
    assert query_ndcg(lambda rows: np.zeros((1, 5))[rows], many, k=3) == pytest.approx([1])


def test_blocks_of_queries_change_nothing():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(600, 30))
    qrels = [(q, int(d), 1 + q % 3) for q in range(600) for d in rng.permutation(30)[:2]]
    sets = triple(["a"] * 30, ["x"] * 600, qrels)
    found = query_ndcg(lambda rows: scores[rows], sets)
    for query in (0, 255, 256, 599):
        order = scores[query].argsort()[::-1].tolist()
        mine = [(order.index(d), r) for q, d, r in qrels if q == query]
        dcg = sum(r / np.log2(rank + 2) for rank, r in mine if rank < 10)
        best = sum(r / np.log2(place + 2) for place, (_, r) in enumerate(mine))
        assert found[query] == pytest.approx(dcg / best)


def test_cosine_not_dot_product_ranks():
    vectors = {"long": [3.0, 4.0], "near": [0.1, 0.0], "ask": [1.0, 0.1]}
    sets = triple(["long", "near"], ["ask"], [(0, 1, 1)])
    encode = lambda texts: np.array([vectors[one] for one in texts], np.float32)  # noqa: E731
    assert encoder_ndcg(encode, sets) == pytest.approx([1])


def test_bm25_finds_the_words():
    documents = ["the wing of a plane", "heat of a plate", "flow"]
    sets = triple(documents, ["Plate heat?", "the flow"], [(0, 1, 1), (1, 2, 1)])
    assert bm25_ndcg(sets)[0] == 1


def test_spearman_ranks_all_pairs_together():
    assert spearman(np.array([0.1, 0.2, 0.9]), np.array([1, 2, 3])) == pytest.approx(100)
    # Two subsets, each in perfect order, but on different scales.
    both = spearman(np.array([0.8, 0.9, 0.1, 0.2]), np.array([1, 2, 3, 4]))
    assert both == pytest.approx(-60)


def test_pair_cosines():
    vectors = {"a": [2.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 5.0]}
    pairs = pl.DataFrame({"sentence1": ["a", "a"], "sentence2": ["b", "c"], "score": [1.0, 2.0]})
    encode = lambda texts: np.array([vectors[one] for one in texts], np.float32)  # noqa: E731
    assert pair_cosines(encode, pairs) == pytest.approx([0.5**0.5, 0])
