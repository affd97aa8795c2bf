"""Searching by faiss' kernels and by short lists gives the ranking of scoring every document."""

import subprocess
import sys

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import TRAIN, clustered

from embedstudy import codes
from embedstudy.codes import shortlist
from embedstudy.codes.binary import hamming
from embedstudy.measure import retrieval

CORPUS, QUERIES = clustered(2000, 3), clustered(40, 4)
COPIES = CORPUS[np.random.default_rng(5).integers(0, 30, 2000)]  # about 67 of each vector
LISTED = [
    ("itq", {}),
    ("random-rotation", {"bits": 48}),
    ("recurrent", {"width": 16, "levels": 2, "steps": 3}),
    ("pq", {"parts": 1}),
    ("pq", {"parts": 8}),
    ("pq", {"parts": 16, "bits": 4}),
    ("opq", {"parts": 8, "iterations": 3}),
    ("opq", {"parts": 16, "bits": 4, "iterations": 3}),
    ("rq", {"levels": 3}),
]
WHOLE = [
    ("float", {"kind": "fp8"}),
    ("integer", {}),
    ("integer", {"scoring": "codes"}),
    ("binary", {}),
    ("binary", {"queries": "codes"}),
    ("itq", {"bits": 16, "queries": "codes"}),
    ("projected", {"reduction": "pca", "dims": 8}),
]


def fitted(method, options):
    return codes.build(method, options).fit(TRAIN)


@given(
    st.integers(0, 1000), st.integers(1, 20), st.integers(1, 400), st.integers(1, 60),
    st.integers(1, 255),
)  # fmt: skip
@settings(deadline=None)
def test_hamming_search_breaks_ties_by_the_earlier_code(seed, width, count, k, largest):
    rng = np.random.default_rng(seed)
    queries, documents = (
        rng.integers(0, largest + 1, (n, width), dtype=np.uint8) for n in (3, count)
    )
    distance = hamming(queries, documents)
    expected = np.argsort(distance, axis=1, kind="stable")[:, :k]
    assert np.array_equal(shortlist.hamming_ranking(queries, documents, k), expected)


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("corpus", [CORPUS, COPIES], ids=["distinct", "copies"])
@pytest.mark.parametrize(("method", "options"), LISTED + WHOLE)
def test_search_ranks_as_scoring_every_document(method, options, corpus, count, monkeypatch):
    monkeypatch.setattr(shortlist, "DOCUMENTS", 1)
    codec = fitted(method, options)
    encoded, queries = codec.encode(corpus), QUERIES[:count]
    for k in (1, 10):
        expected = retrieval.search(codec.score, queries, encoded, k)
        found = codec.search(queries, encoded, k)
        if codec.symmetric:  # whole numbers, so that ties are ties on every processor
            assert np.array_equal(found, expected)
        scores = codec.score(queries, encoded)
        theirs, ours = (np.take_along_axis(scores, rows, axis=1) for rows in (expected, found))
        assert ours == pytest.approx(theirs, abs=2e-6)
        assert all(len(set(row)) == len(row) for row in found.tolist())


@pytest.mark.parametrize(("method", "options"), LISTED)
def test_a_corpus_smaller_than_k_is_ranked_whole(method, options, monkeypatch):
    monkeypatch.setattr(shortlist, "DOCUMENTS", 1)
    codec = fitted(method, options)
    found = codec.search(QUERIES[:2], codec.encode(CORPUS[:20]), 50)
    assert np.sort(found).tolist() == 2 * [list(range(20))]


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize(("method", "options"), LISTED)
def test_a_list_says_how_far_its_scores_can_be_off(method, options, count):
    codec = fitted(method, options)
    encoded = codec.encode(CORPUS)
    listed = codec._shortlist(QUERIES[:count], encoded, 100)
    if listed is None:
        assert count > 1, "a single query is always searched by a list"
        return
    scores = np.take_along_axis(codec.score(QUERIES[:count], encoded), listed.documents, axis=1)
    assert (np.abs(scores - listed.scores) <= listed.error[:, None]).all()
    assert (np.diff(listed.scores) <= 0).all()


def test_a_list_that_ends_too_early_is_not_trusted():
    """Both documents that are listed may be beaten by one that is not: the third has the best score."""
    scores = np.array([[0.5, 0.5, 0.6, 0.1]], np.float32)
    every = np.arange(4, dtype=np.uint8)[:, None]
    score = lambda queries, codes: scores[:, codes[:, 0]]  # noqa: E731
    listed = np.array([[0, 1]]), np.array([[0.5, 0.5]], np.float32)
    for error, best in ((np.array([0.2]), 2), (np.array([0.0]), 2)):
        found = shortlist.ranking(score, scores, every, shortlist.Shortlist(*listed, error), 1)
        assert found.tolist() == [[best]]


def test_a_list_that_ends_late_enough_is_trusted():
    score = lambda queries, codes: np.float32([[9, 8, 0]])[:, codes[:, 0]]  # noqa: E731
    listed = shortlist.Shortlist(np.array([[1, 0, 2]]), np.float32([[9, 8, 0]]), np.array([1.0]))
    every = np.arange(3, dtype=np.uint8)[:, None]
    asked = []

    def counted(queries, codes):
        asked.append(len(codes))
        return score(queries, codes)

    found = shortlist.ranking(counted, np.zeros((1, 1), np.float32), every, listed, 2)
    assert found.tolist() == [[0, 1]], "the codec's own score decides the order"
    assert asked == [2], "the third document cannot be among the two best"


def test_small_corpora_are_scored_as_a_whole(monkeypatch):
    codec = fitted("pq", {"parts": 8})
    monkeypatch.setattr(codec, "_shortlist", lambda *_: pytest.fail("2,000 documents are few"))
    codec.search(QUERIES, codec.encode(CORPUS), 10)


def test_faiss_keeps_its_threads():
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        with shortlist.one_thread():
            inside = faiss.omp_get_max_threads()
        assert (inside, faiss.omp_get_max_threads()) == (1, 2)
    finally:
        faiss.omp_set_num_threads(before)


def test_an_empty_corpus_has_an_empty_ranking():
    for method, options in (("binary", {"queries": "codes"}), ("pq", {"parts": 8}), ("float", {})):
        codec = fitted(method, options)
        assert codec.search(QUERIES, codec.encode(CORPUS[:0]), 10).shape == (40, 0)
        assert codec.search(QUERIES[:0], codec.encode(CORPUS), 10).shape == (0, 10)


def test_codes_need_neither_polars_nor_scikit_learn_nor_scipy():
    program = """
import sys
for name in ("polars", "sklearn", "scipy", "transformers", "sentence_transformers", "altair", "dvc"):
    sys.modules[name] = None  # an import of it fails
import embedstudy.codes, embedstudy.measure.retrieval, embedstudy.measure.spectrum
import embedstudy.measure.units, embedstudy.measure.vectors
codec = embedstudy.codes.Integer()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
