"""What every codec promises: shapes, bytes, seeds, errors."""

import numpy as np
import pytest
from vectors import CORPUS, DIM, QUERIES, TRAIN, clustered

from embedstudy import codes
from embedstudy.codes.base import bytes_per_vector
from embedstudy.core.errors import InfeasibleBudget, StudyError


def every_codec():
    """One of each kind and size that fits 32 dimensions, by its name and bytes."""
    sizes = (64, 32, 16, 8, 4, 2)
    listed = [codec for n in sizes for codec in codes.candidates(DIM, n, opq_iterations=3)]
    listed += [*codes.integer_rules(), codes.Rescored(codes.build("itq", {}), codes.Integer())]
    kept = {codec.name: codec for codec in listed if "recurrent" not in codec.name}
    small = {"width": 16, "levels": 2, "steps": 3}
    trained = [codes.build("recurrent", small), codes.build("bebr", small | {"hidden": 32})]
    return [*kept.values(), *trained]


CODECS = every_codec()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_codec_keeps_its_promises(codec):
    codec.fit(TRAIN, seed=1)
    encoded = codec.encode(CORPUS)
    assert encoded.dtype == np.uint8
    assert encoded.shape == (len(CORPUS), codec.code_bytes(DIM))
    size = codec.codebook_bytes()
    assert bytes_per_vector(codec, encoded) == encoded.shape[1] + size / len(CORPUS)
    assert bytes_per_vector(codec, encoded, 10**6) == encoded.shape[1] + size / 10**6
    ranking = codec.search(QUERIES, encoded, 10)
    assert ranking.shape == (len(QUERIES), 10)
    assert all(len(set(row)) == 10 for row in ranking.tolist())
    again = codes.build(**codes.spec(codec)).fit(TRAIN, seed=1)
    assert np.array_equal(again.encode(CORPUS), encoded)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_only_codecs_that_say_so_depend_on_the_seed(codec):
    first, second = (
        codes.build(**codes.spec(codec)).fit(TRAIN, seed=seed).encode(CORPUS) for seed in (1, 2)
    )
    assert np.array_equal(first, second) != codec.random


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_only_codecs_that_say_so_learn_from_their_training_vectors(codec):
    found = []
    for train in (TRAIN, 0.7 * clustered(600, seed=7)):
        fitted = codes.build(**codes.spec(codec)).fit(train, seed=1)
        encoded = fitted.encode(CORPUS)
        found.append((encoded.tobytes(), fitted.search(QUERIES, encoded, 10).tobytes()))
    assert (found[0] != found[1]) == codec.learns


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_codec_is_restored_from_what_fitting_left(codec):
    codec.fit(TRAIN, seed=1)
    again = codes.build(**codes.spec(codec))
    for old, new in zip(codec.stages(), again.stages(), strict=True):
        if not old.slow_to_fit:
            new.fit(TRAIN, seed=1)
        new.restored(old.codebooks, dim=DIM, trained_on=len(TRAIN))
    again.restored(codec.codebooks, dim=DIM, trained_on=len(TRAIN))
    encoded = codec.encode(CORPUS)
    assert np.array_equal(again.encode(CORPUS), encoded)
    assert np.array_equal(again.search(QUERIES, encoded, 10), codec.search(QUERIES, encoded, 10))
    assert again.train_per_centroid() == codec.train_per_centroid()


def test_training_vectors_a_centroid_are_counted():
    first = codes.build("pq", {"parts": 4, "bits": 4})
    assert first.fit(TRAIN).train_per_centroid() == 600 / 16
    assert codes.build("opq", {"parts": 4}).fit(TRAIN).train_per_centroid() == 600 / 256
    assert codes.build("rq", {"levels": 2}).fit(TRAIN).train_per_centroid() == 600 / 256
    both = codes.Rescored(first, codes.build("pq", {"parts": 4}))
    assert both.fit(TRAIN).train_per_centroid() == 600 / 256
    assert codes.Integer().fit(TRAIN).train_per_centroid() is None
    most = codes.build("pq", {"parts": 8, "bits": 4}).fit(np.tile(TRAIN, (8, 1)))
    assert most.train_per_centroid() == 256, "of 300, as faiss takes no more"


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_no_vectors_give_no_codes(codec):
    codec.fit(TRAIN)
    assert len(codec.encode(CORPUS[:0])) == 0


@pytest.mark.parametrize("size", [64, 32, 16, 8, 4, 2])
def test_candidates_use_their_budget(size):
    found = codes.candidates(DIM, size)
    assert len({codec.name for codec in found}) == len(found) > 0
    assert all(0.9 * size <= codec.code_bytes(DIM) <= size for codec in found)


def test_more_bits_lie_nearer_to_the_floats():
    def error(codec):
        return np.square(codec.decode(codec.fit(TRAIN).encode(CORPUS)) - CORPUS).mean()

    kinds = [("float", {"kind": "fp16"}), ("integer", {}), ("integer", {"bits": 4}), ("binary", {})]
    errors = [error(codes.build(*kind)) for kind in kinds]
    assert errors == sorted(errors)
    parts = [error(codes.build("pq", {"parts": p, "bits": 4})) for p in (16, 8, 4, 2)]
    assert parts == sorted(parts)
    levels = [error(codes.build("rq", {"levels": n})) for n in (4, 2, 1)]
    assert levels == sorted(levels)


def test_decoded_vectors_can_be_scaled_to_length_one():
    codec = codes.build("pq", {"parts": 4, "bits": 4}).fit(TRAIN).renormalised()
    assert codec.name == "pq4-renormalised"
    assert np.linalg.norm(codec.decode(codec.encode(CORPUS)), axis=1) == pytest.approx(1)


def test_mistakes_are_one_sentence():
    fresh = codes.Integer()
    with pytest.raises(StudyError, match="int8 is not fitted: call fit"):
        fresh.encode(CORPUS)
    fresh.fit(TRAIN)
    with pytest.raises(StudyError, match="fitted on 32 dimensions, these vectors have 16"):
        fresh.encode(CORPUS[:, :16])
    with pytest.raises(StudyError, match="NaN or infinity"):
        fresh.encode(np.full((1, DIM), np.nan))
    with pytest.raises(StudyError, match=r"must be \[n, d\]"):
        fresh.encode(CORPUS[0])
    with pytest.raises(StudyError, match="no training vectors"):
        fresh.fit(TRAIN[:0])
    with pytest.raises(StudyError, match="40 dimensions are asked of vectors of 32"):
        codes.build("projected", {"reduction": "pca", "dims": 40}).fit(TRAIN)
    with pytest.raises(StudyError, match="cannot be cut into 5 equal parts"):
        codes.build("pq", {"parts": 5}).fit(TRAIN)
    with pytest.raises(StudyError, match="give at least 256 training vectors, there are 100"):
        codes.build("pq", {"parts": 4}).fit(TRAIN[:100])
    with pytest.raises(StudyError, match="opq4 learns a rotation of 32 dim.*there are 20"):
        codes.build("opq", {"parts": 4, "bits": 4}).fit(TRAIN[:20])
    with pytest.raises(StudyError, match="itq: 64 bits are asked of vectors of 32"):
        codes.build("itq", {"bits": 64}).fit(TRAIN)
    with pytest.raises(StudyError, match="bits is 3, it must be one of 8, 4"):
        codes.Integer(3)
    with pytest.raises(InfeasibleBudget, match="smallest codec needs 1 byte"):
        codes.candidates(DIM, 0)
