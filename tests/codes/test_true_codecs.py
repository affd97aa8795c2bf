"""For each kind of codec, what only the true algorithm gives."""

import faiss
import numpy as np
import pytest
import torch
from sentence_transformers.util.quantization import quantize_embeddings
from vectors import CORPUS, DIM, QUERIES, TRAIN

from embedstudy import codes
from embedstudy.codes import quantisers, recurrent, rotation
from embedstudy.codes.binary import hamming
from embedstudy.codes.shortlist import one_thread
from embedstudy.measure import retrieval


def fitted(method, **options):
    return codes.build(method, options).fit(TRAIN)


def test_int8_codes_of_a_row_by_hand():
    train = np.array([[0.0, -1.0], [2.55, 1.0]], np.float32)  # steps .01 and 2 / 255
    codec = codes.Integer().fit(train)
    assert codec.encode(np.array([[1.004, 0.0]], np.float32)).tolist() == [[100, 127]]
    decoded = codec.decode(np.array([[100, 127]], np.uint8))
    assert decoded[0] == pytest.approx([1.005, 0.0], abs=1e-6)


def test_int8_and_binary_codes_are_those_of_sentence_transformers():
    ranges = np.stack([TRAIN.min(0), TRAIN.max(0)])
    inside = np.clip(CORPUS, *ranges)
    theirs = quantize_embeddings(inside, "int8", ranges=ranges).astype(np.int16) + 128
    ours = fitted("integer").encode(inside).astype(np.int16)
    assert np.abs(ours - theirs).max() <= 1, "float rounding at a border moves a code by one"
    assert (ours == theirs).mean() > 0.999
    assert np.array_equal(fitted("binary").encode(CORPUS), quantize_embeddings(CORPUS, "ubinary"))


def test_without_rounding_values_rank_as_floats_and_raw_codes_do_not():
    exact = retrieval.search(retrieval.inner_product, QUERIES, CORPUS, 10)
    values = fitted("integer", rounding="none")
    assert np.array_equal(values.search(QUERIES, values.encode(CORPUS), 10), exact)
    raw = fitted("integer", rounding="none", scoring="codes")
    assert not np.array_equal(raw.search(QUERIES, raw.encode(CORPUS), 10), exact)


def test_raw_codes_weigh_dimensions_by_their_inverse_squared_steps():
    codec = fitted("integer", rounding="none", scoring="codes")
    start, step = codec.codebooks["start"], codec.codebooks["step"]
    shifted = [(x - start) / step - 128.5 for x in (QUERIES, CORPUS)]
    assert codec.score(QUERIES, codec.encode(CORPUS)) == pytest.approx(
        shifted[0] @ shifted[1].T, rel=1e-4
    )


def test_int4_packs_two_codes_a_byte_also_of_odd_dimensions():
    train = TRAIN[:, :5]
    codec = codes.Integer(4).fit(train)
    assert codec.encode(train).shape == (len(train), 3)
    step = codec.codebooks["step"]
    assert (np.abs(codec.decode(codec.encode(train)) - train) <= step * 0.51).mean() > 0.99


def test_fp8_is_the_e4m3_of_torch():
    codec = fitted("float", kind="fp8")
    expected = torch.from_numpy(CORPUS).to(torch.float8_e4m3fn).float().numpy()
    assert np.array_equal(codec.decode(codec.encode(CORPUS)), expected)
    huge = np.full((1, DIM), 1e6, np.float32)
    assert codec.decode(codec.encode(huge)).max() == 448


def test_hamming_score_counts_agreeing_minus_differing_bits():
    codec = fitted("binary", queries="codes")
    agree = ((QUERIES > 0)[:, None] == (CORPUS > 0)[None]).sum(2)
    scores = codec.score(QUERIES, codec.encode(CORPUS))
    assert np.array_equal(scores, 2 * agree - DIM)
    few = np.array([[0b10110000]], np.uint8)
    assert hamming(few, np.array([[0b00100000]], np.uint8)).tolist() == [[2]]


def test_float_queries_score_the_signs():
    codec = fitted("binary")
    expected = QUERIES @ np.where(CORPUS > 0, 1, -1).T / DIM**0.5
    assert codec.score(QUERIES, codec.encode(CORPUS)) == pytest.approx(expected, abs=1e-5)


def test_medians_split_the_training_vectors_in_halves():
    codec = fitted("binary", threshold="median")
    bits = np.unpackbits(codec.encode(TRAIN), axis=1)
    assert bits.mean(axis=0) == pytest.approx(0.5, abs=1 / len(TRAIN))


def test_itq_turns_towards_its_signs():
    def loss(iterations):
        codec = fitted("itq", iterations=iterations)
        matrix = codec.codebooks["matrix"]
        assert matrix.T @ matrix == pytest.approx(np.eye(DIM), abs=1e-4)
        projected = (TRAIN - codec.codebooks["mean"]) @ matrix
        return np.square(np.sign(projected) - projected).sum()

    losses = [loss(n) for n in (0, 1, 5, 50)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.99 * losses[0]


def test_rotations_are_orthogonal_and_axes_have_a_fixed_sign():
    turned = rotation.random_rotation(8, np.random.default_rng(0))
    assert turned @ turned.T == pytest.approx(np.eye(8))
    mean, axes, variances = rotation.principal_axes(TRAIN)
    assert (axes.max(axis=0) == np.abs(axes).max(axis=0)).all()
    centred = (TRAIN - mean) @ axes
    assert centred.var(axis=0) == pytest.approx(variances, rel=1e-3)
    assert variances.tolist() == sorted(variances, reverse=True)


def test_pca_scores_the_mean_and_the_components():
    codec = fitted("projected", reduction="pca", dims=6)
    mean, axes = codec.codebooks["mean"], codec.codebooks["axes"]
    z = (CORPUS - mean) @ axes
    expected = (QUERIES @ mean)[:, None] + (QUERIES @ axes) @ z.T
    assert codec.score(QUERIES, codec.encode(CORPUS)) == pytest.approx(expected, abs=1e-5)
    whole = fitted("projected", reduction="pca", dims=DIM)
    floats = QUERIES @ CORPUS.T
    assert whole.score(QUERIES, whole.encode(CORPUS)) == pytest.approx(floats, abs=1e-4)


def test_truncation_is_slicing_and_renormalising():
    codec = fitted("projected", reduction="truncate", dims=8)
    cut = CORPUS[:, :8] / np.linalg.norm(CORPUS[:, :8], axis=1, keepdims=True)
    expected = QUERIES[:, :8] @ cut.T
    assert codec.score(QUERIES, codec.encode(CORPUS)) == pytest.approx(expected, abs=1e-5)
    assert codec.codebook_bytes() == 0


def test_pq_takes_the_nearest_centroid_of_each_part():
    codec = fitted("pq", parts=4, bits=8)
    centroids = codec.codebooks["centroids"]  # [parts, 256, width]
    parts = CORPUS.reshape(len(CORPUS), 4, -1)
    distance = np.square(parts[:, :, None] - centroids[None]).sum(-1)
    assert np.array_equal(codec.encode(CORPUS), distance.argmin(-1))


def test_opq_rotates_to_a_smaller_error():
    rng = np.random.default_rng(0)
    mixed = (rng.normal(size=(800, 4)) @ rng.normal(size=(4, DIM))).astype(np.float32)
    mixed += 0.05 * rng.normal(size=mixed.shape).astype(np.float32)

    def error(codec):
        return np.square(codec.decode(codec.encode(mixed)) - mixed).mean()

    plain = quantisers.PQ(4, 4).fit(mixed)
    turned = quantisers.OPQ(4, 4).fit(mixed)
    matrix = turned.codebooks["rotation"]
    assert matrix @ matrix.T == pytest.approx(np.eye(DIM), abs=1e-4)
    assert error(turned) < 0.9 * error(plain)


def test_opq_has_the_rotation_of_faiss_with_its_own_iterations():
    codec = quantisers.OPQ(4, 4).fit(TRAIN, seed=3)
    matrix, inner = faiss.OPQMatrix(DIM, 4), faiss.ProductQuantizer(DIM, 4, 4)
    quantisers._seed(inner.cp, 3)
    matrix.pq = inner
    with one_thread():
        matrix.train(TRAIN)
    matrix.pq = None
    theirs = faiss.vector_to_array(matrix.A).reshape(DIM, DIM)
    assert np.array_equal(codec.codebooks["rotation"], theirs.T)
    fewer = quantisers.OPQ(4, 4, iterations=2).fit(TRAIN, seed=3)
    assert not np.array_equal(fewer.codebooks["rotation"], theirs.T)


def test_codebooks_are_learned_from_as_many_vectors_as_faiss_takes():
    assert faiss.ClusteringParameters().max_points_per_centroid == quantisers._SAMPLE


def test_rq_adds_up_one_centroid_a_level():
    codec = fitted("rq", levels=3)
    chosen = codec.encode(CORPUS)
    summed = sum(codec.codebooks["centroids"][level][chosen[:, level]] for level in range(3))
    assert codec.decode(chosen) == pytest.approx(summed, abs=1e-5)


def test_the_recurrent_binariser_halves_each_level():
    codec = fitted("recurrent", width=16, levels=2, steps=0)
    signs = np.unpackbits(codec.encode(CORPUS), axis=1).astype(np.float32) * 2 - 1
    first, second = signs[:, :16], signs[:, 16:]
    books = codec.codebooks
    assert np.array_equal(first > 0, CORPUS @ books["down.0"] > 0)
    decoded = codec.decode(codec.encode(CORPUS))
    assert decoded == pytest.approx((first + second / 2) @ books["up.1"], abs=1e-5)


def test_signs_pass_gradients_only_near_zero():
    model = recurrent.Binariser(4, 2, 1)
    with torch.no_grad():
        model.down[0].copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
        model.up[0].fill_(1.0)
    vectors = torch.tensor([[0.2, 0.9, 0.0, 0.0]])  # |.2| < 1 / sqrt(4) < |.9|
    model.decoded(model.signs(vectors)).sum().backward()
    assert model.down[0].grad[0, 0] != 0
    assert model.down[0].grad[:, 1].abs().sum() == 0


def test_training_the_binariser_lowers_its_loss():
    def loss(steps):
        codec = fitted("recurrent", width=8, levels=1, steps=steps, batch=64, lr=1e-3)
        model = codec._model()
        with torch.no_grad():
            return recurrent._loss(model, torch.from_numpy(TRAIN[:256]), 0.05).item()

    assert loss(150) < loss(0)


def test_a_short_list_is_ranked_by_the_second_codec():
    first, second = codes.build("binary", {"queries": "codes"}), codes.Integer()
    codec = codes.Rescored(first, second, factor=2).fit(TRAIN)
    encoded = codec.encode(CORPUS)
    assert np.array_equal(encoded, np.hstack([first.encode(CORPUS), second.encode(CORPUS)]))
    listed = first.search(QUERIES, first.encode(CORPUS), 10)
    scores = second.score(QUERIES, second.encode(CORPUS))
    for query, found in enumerate(codec.search(QUERIES, encoded, 5)):
        expected = sorted(listed[query], key=lambda row, q=query: (-scores[q, row], row))[:5]
        assert found.tolist() == expected
    everything = codes.Rescored(first, second, factor=60).fit(TRAIN)
    whole = second.search(QUERIES, second.encode(CORPUS), 5)
    assert np.array_equal(everything.search(QUERIES, encoded, 5), whole)
