import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstudy.measure import retrieval
from embedstudy.measure.retrieval import Judged


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 12))
def test_the_best_columns_are_those_of_a_stable_sort(seed, columns, k):
    scores = np.random.default_rng(seed).integers(0, 4, (5, columns)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(retrieval.best(scores, k), expected)


@given(st.integers(0, 1000), st.integers(100, 900), st.integers(0, 12), st.integers(1, 400))
@settings(deadline=None)
def test_of_long_rows_too(seed, columns, k, values):
    scores = np.random.default_rng(seed).integers(0, values, (3, columns)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(retrieval.best(scores, k), expected)


@given(st.integers(0, 100), st.integers(1, 60))
def test_searching_in_blocks_changes_nothing(seed, cells):
    rng = np.random.default_rng(seed)
    queries, documents = (rng.integers(-2, 3, (n, 3)).astype(np.float32) for n in (4, 23))
    whole = retrieval.search(retrieval.inner_product, queries, documents, 6)
    blocks = retrieval.search(retrieval.inner_product, queries, documents, 6, cells=cells)
    assert np.array_equal(whole, blocks)


def test_a_search_scores_blocks_of_about_one_size():
    sizes = []

    def score(queries, rows):
        sizes.append(len(rows))
        return np.zeros((len(queries), len(rows)), np.float32)

    documents = np.zeros((2 * retrieval.DOCUMENTS + 1, 1), np.float32)
    ranking, scores = retrieval.search_scores(score, np.zeros((3, 1), np.float32), documents, 4)
    assert ranking.tolist() == 3 * [[0, 1, 2, 3]]
    assert scores.tolist() == 3 * [[0, 0, 0, 0]]
    assert sum(sizes) == len(documents)
    assert min(sizes) >= max(sizes) - len(sizes)
    sizes.clear()
    retrieval.search(score, np.zeros((3, 1), np.float32), documents[:100], 4, cells=60)
    assert max(sizes) == 20


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(deadline=None)
def test_ndcg_counts_graded_relevance_by_rank(seed, k):
    """Against the definition, of scores with many ties; relevance 0 and queries without any too."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (6, 40)).astype(np.float32)
    query, document = np.nonzero(rng.random(scores.shape) < 0.15)
    relevance = rng.integers(0, 4, len(query))
    found = retrieval.ndcg_at_k(retrieval.best(scores, k), Judged(query, document, relevance), k)
    for row, value in enumerate(found):
        gains = np.zeros(40)
        gains[document[query == row]] = relevance[query == row]
        order = sorted(range(40), key=lambda column, row=row: (-scores[row, column], column))
        discounts = 1 / np.log2(np.arange(2, k + 2))
        ideal = (np.sort(gains)[::-1][:k] * discounts).sum()
        if ideal == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx((gains[order[:k]] * discounts).sum() / ideal)


def test_ndcg_of_a_query_by_hand():
    judged = Judged(np.array([0, 0, 0]), np.array([3, 7, 9]), np.array([2, 1, 0]))
    ranking = np.array([[7, 5, 3]])
    best = 2 / np.log2(2) + 1 / np.log2(3)
    got = 1 / np.log2(2) + 2 / np.log2(4)
    assert retrieval.ndcg_at_k(ranking, judged) == pytest.approx([got / best])
    assert retrieval.ndcg_at_k(ranking, judged, 1) == pytest.approx([1 / 2])


def test_the_other_measures_by_hand():
    judged = Judged(np.array([0, 0, 1]), np.array([1, 2, 5]), np.array([1, 1, 1]))
    ranking = np.array([[9, 1, 4], [0, 1, 2], [0, 1, 2]])
    assert retrieval.recall_at_k(ranking, judged, 3)[:2].tolist() == [0.5, 0]
    assert retrieval.reciprocal_rank(ranking, judged)[:2].tolist() == [0.5, 0]
    assert retrieval.reciprocal_rank(ranking, judged, 1)[0] == 0
    for value in (retrieval.recall_at_k, retrieval.reciprocal_rank, retrieval.ndcg_at_k):
        assert np.isnan(value(ranking, judged)[2]), "no judgement, no value"


def test_agreement_ignores_order():
    exact = np.array([[1, 2, 3], [4, 5, 6]])
    found = np.array([[3, 1, 9], [6, 5, 4]])
    assert retrieval.agreement_at_k(found, exact, 3) == pytest.approx([2 / 3, 1])
