import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from embedstudy.core.seeding import numpy_generator
from embedstudy.measure import quality, significance
from embedstudy.measure.significance import (
    Effect,
    Resamples,
    holm,
    paired_effect,
    resampling_weights,
    weighted_auc,
    weighted_mean,
    weighted_spearman,
)


def delong_error(labels, a, b):
    """Standard error of AUC(a) - AUC(b) by DeLong et al. (1988), written out pair by pair."""

    def placements(scores):
        won = scores[labels == 1][:, None] > scores[labels == 0][None, :]
        return won.mean(1), won.mean(0)

    (a1, a0), (b1, b0) = placements(a), placements(b)
    m, n = (labels == 1).sum(), (labels == 0).sum()
    return np.sqrt(np.var(a1 - b1, ddof=1) / m + np.var(a0 - b0, ddof=1) / n)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=30
    )
)
def test_weighted_auc_equals_repeating_the_events(triples):
    labels, scores, weights = (
        np.array(column, dtype=float) for column in zip(*triples, strict=True)
    )
    repeats = weights.astype(int)
    expected = quality.auc(np.repeat(labels, repeats), np.repeat(scores, repeats))
    actual = weighted_auc(labels, scores, weights[None])[0]
    if expected is None:
        assert np.isnan(actual)
    else:
        assert actual == pytest.approx(expected)


def test_the_bootstrap_error_agrees_with_delong():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    shared = labels + rng.normal(size=3000)
    a, b = shared + rng.normal(size=3000) * 0.3, shared + rng.normal(size=3000) * 0.5
    weights = resampling_weights(3000, 800)
    differences = weighted_auc(labels, a, weights) - weighted_auc(labels, b, weights)
    effect = paired_effect(differences[None], 0.0)
    assert effect.error == pytest.approx(delong_error(labels, a, b), rel=0.12)


def test_the_error_covers_the_spread_of_seeds():
    differences = np.array([[0.0] * 500, [0.02] * 500])  # no noise but that of the two seeds
    effect = paired_effect(differences, 0.01)
    assert effect.error == pytest.approx(0.02 * np.sqrt(0.5) / 2, rel=0.15)
    assert effect.low < 0 < effect.high


def test_intervals_and_p_values_are_the_normal_ones():
    effect = Effect(0.01, 0.01 / 1.959964)
    assert effect.low == pytest.approx(0, abs=1e-9)
    assert effect.p_value() == pytest.approx(0.05, abs=1e-6)
    assert effect.p_value(margin=0.01) == 1.0
    assert Effect(0.0, 0.0).p_value() == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_weighted_spearman_equals_repeating_the_examples():
    rng = np.random.default_rng(0)
    left = rng.integers(0, 6, 50).astype(float)  # ties in both
    right = left + rng.integers(0, 5, 50)
    weights = resampling_weights(50, 5)
    expected = [spearmanr(np.repeat(left, w), np.repeat(right, w)).statistic for w in weights]
    assert weighted_spearman(left, right, weights) == pytest.approx(expected)


# -- bounded memory -------------------------------------------------------------------------------
def drawn_at_once(events, resamples, seed):
    """The samples in one draw and one count, as they are defined: [resamples, events]."""
    drawn = numpy_generator(seed, "bootstrap", events).integers(0, events, (resamples, events))
    return np.stack([np.bincount(sample, minlength=events) for sample in drawn])


def examples(events):
    """Labels, probabilities without ties, and scores with many."""
    rng = np.random.default_rng(events)
    labels = (rng.random(events) < 0.3).astype(np.float64)
    return labels, rng.random(events), np.round(labels + rng.normal(size=events), 1)


def statistics(events, weights):
    labels, smooth, tied = examples(events)
    return {
        "auc": weighted_auc(labels, smooth, weights),
        "auc of ties": weighted_auc(labels, tied, weights),
        "mean": weighted_mean(smooth, weights),
        "spearman": weighted_spearman(smooth, tied, weights),
    }


@pytest.mark.parametrize("events", [1, 7, 1000, 4097])
@pytest.mark.parametrize("kept", [0, 1 << 28])
def test_samples_are_the_same_however_they_are_drawn(events, kept, monkeypatch):
    monkeypatch.setattr(significance, "_KEPT", kept)
    monkeypatch.setattr(significance, "CHUNK", 4096)
    expected = drawn_at_once(events, 21, seed=3)
    assert np.array_equal(resampling_weights(events, 21, seed=3), expected)
    samples = Resamples(events, 21, seed=3)
    for _ in range(2):
        blocks = list(samples.blocks())
        assert np.array_equal(np.concatenate(blocks), expected)
    assert len(blocks) == (1 if kept or events < 100 else 6)


@pytest.mark.parametrize("events", [5, 999, 4097])
@pytest.mark.parametrize("resamples", [1, 38, 201])
def test_chunks_change_no_bit(events, resamples, monkeypatch):
    whole = statistics(events, resampling_weights(events, resamples))
    for chunk in (1, 8 * events, 52 * events):
        monkeypatch.setattr(significance, "CHUNK", chunk)
        monkeypatch.setattr(significance, "_KEPT", 0)
        for weights in (resampling_weights(events, resamples), Resamples(events, resamples)):
            for name, values in statistics(events, weights).items():
                assert values.tobytes() == whole[name].tobytes(), (name, chunk)


def peak(events, resamples):
    """Bytes that the statistics of samples, drawn as they are needed, hold at most."""
    labels, smooth, _ = examples(events)
    tracemalloc.start()
    try:
        weighted_auc(labels, smooth, Resamples(events, resamples))
        weighted_spearman(labels, smooth, Resamples(events, resamples))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_chunk_and_not_with_the_samples(monkeypatch):
    events, rows = 10_000, 8
    monkeypatch.setattr(significance, "_KEPT", 0)
    monkeypatch.setattr(significance, "CHUNK", rows * events)
    few, many = peak(events, 4 * rows), peak(events, 40 * rows)
    assert many < 1.1 * few
    monkeypatch.setattr(significance, "CHUNK", 4 * rows * events)
    assert 2.5 * few < peak(events, 40 * rows) < 4.5 * few
    assert few < 100 * rows * events
