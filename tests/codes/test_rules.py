"""What is compared, and rescoring, are what the libraries themselves do."""

import numpy as np
import pytest
from sentence_transformers.util.quantization import quantize_embeddings, semantic_search_faiss
from vectors import CORPUS, QUERIES, TRAIN

from embedstudy import codes
from embedstudy.codes.binary import Binary
from embedstudy.core.errors import StudyError

RANGES = np.stack([TRAIN.min(0), TRAIN.max(0)])


def searched_by_faiss(precision, **options):
    """Rows of the ten best documents by sentence-transformers' helper: int64 [queries, 10]."""
    coded = quantize_embeddings(CORPUS, precision, ranges=RANGES)
    hits, _ = semantic_search_faiss(
        QUERIES, coded, corpus_precision=precision, ranges=RANGES, top_k=10, **options
    )
    return np.array([[hit["corpus_id"] for hit in query] for query in hits])


def unsigned():
    return codes.Integer(scoring="unsigned-codes")


def same_scores(codec, encoded, ours, theirs):
    """Equal scores at every rank: documents that tie may stand in another order."""
    scores = codec.score(QUERIES, encoded)
    mine, others = (np.take_along_axis(scores, rows, axis=1) for rows in (ours, theirs))
    return mine == pytest.approx(others, abs=1e-5)


def test_unsigned_codes_are_compared_as_faiss_does():
    codec = unsigned().fit(TRAIN)
    encoded = codec.encode(CORPUS)
    whole = codec.score(QUERIES, encoded)
    assert np.array_equal(
        whole, codec.encode(QUERIES).astype(np.int64) @ encoded.astype(np.int64).T
    )
    ours = codec.search(QUERIES, encoded, 10)
    assert same_scores(codec, encoded, ours, searched_by_faiss("uint8", rescore=False))
    signed = codes.Integer(scoring="codes").fit(TRAIN)
    assert not np.array_equal(ours, signed.search(QUERIES, encoded, 10)), "another similarity"


@pytest.mark.parametrize("factor", [2, 4])
def test_rescored_integers_are_de_quantised_as_in_sentence_transformers(factor):
    codec = codes.Rescored(unsigned(), factor=factor).fit(TRAIN)
    assert codec.name == f"int8-unsigned-codes+floatx{factor}"
    encoded = codec.encode(CORPUS)
    assert np.array_equal(encoded, codec.first.encode(CORPUS)), "no byte is added"
    theirs = searched_by_faiss("uint8", rescore_multiplier=factor)
    values = codes.Integer().fit(TRAIN)
    assert same_scores(values, encoded, codec.search(QUERIES, encoded, 10), theirs)


@pytest.mark.parametrize("factor", [2, 4])
def test_rescored_bits_are_ranked_by_float_queries_as_in_sentence_transformers(factor):
    codec = codes.Rescored(Binary(queries="codes"), factor=factor).fit(TRAIN)
    assert codec.name == f"binary-hamming+floatx{factor}"
    encoded = codec.encode(CORPUS)
    theirs = searched_by_faiss("ubinary", rescore_multiplier=factor)
    found = codec.search(QUERIES, encoded, 10)
    assert same_scores(Binary().fit(TRAIN), encoded, found, theirs)
    plain = searched_by_faiss("ubinary", rescore=False)
    assert not same_scores(Binary().fit(TRAIN), encoded, found, plain)


def test_the_published_rescoring_of_bits_is_a_candidate_of_their_size():
    names = [codec.name for codec in codes.candidates(384, 48)]
    assert "binary-hamming+floatx4" in names
    assert len(names) == len(set(names))


def test_only_codes_against_codes_can_be_rescored_by_themselves():
    with pytest.raises(StudyError, match="int8 scores float queries already"):
        codes.Rescored(codes.Integer())
    with pytest.raises(StudyError, match="bebr2 has no rule for float queries"):
        codes.Rescored(codes.build("bebr", {"width": 8}))


def test_usearch_cuts_after_the_point():
    """127 x / |x|, by hand: 127 (.6, -.8) = (76.2, -101.6); 127 (.28, .96) = (35.56, 121.92)."""
    vectors = np.array([[0.6, -0.8], [0.28, 0.96], [2.8, 9.6]], np.float32)
    codec = codes.Integer(ranges="unit", rounding="zero").fit(vectors)
    assert codec.name == "int8-unit-truncated"
    shifted = codec.encode(vectors).astype(int) - 128
    assert shifted.tolist() == [[76, -101], [35, 121], [35, 121]]
    assert codec.decode(codec.encode(vectors))[0] == pytest.approx([76 / 127, -101 / 127], abs=1e-6)
    nearest = codes.Integer(ranges="unit").fit(vectors)
    assert (nearest.encode(vectors[:1]).astype(int) - 128).tolist() == [[76, -102]]
    with pytest.raises(StudyError, match="rounding is 'zero', it must be one of"):
        codes.Integer(rounding="zero")


def test_truncated_codes_are_those_of_usearch():
    index = pytest.importorskip("usearch.index")
    codec = codes.Integer(ranges="unit", scoring="codes", cosine=True, rounding="zero").fit(TRAIN)
    theirs = index.Index(ndim=CORPUS.shape[1], metric="cos", dtype="i8")
    theirs.add(np.arange(len(CORPUS)), CORPUS)
    kept = theirs.get(np.arange(len(CORPUS)), dtype="i8")
    encoded = codec.encode(CORPUS)
    assert np.array_equal(encoded.astype(int) - 128, np.asarray(kept))
    found = np.array(theirs.search(QUERIES, 10, exact=True).keys).astype(np.int64)
    assert same_scores(codec, encoded, codec.search(QUERIES, encoded, 10), found)
