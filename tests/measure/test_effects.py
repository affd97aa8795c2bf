"""Intervals cover what they say, whatever the share of events and of training noise."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from embedstudy.measure.effects import Effect, paired_effect
from embedstudy.measure.significance import resampling_weights

EVENTS, RESAMPLES, EXPERIMENTS = 150, 100, 2500


@pytest.fixture(scope="module")
def weights():
    return resampling_weights(EVENTS, RESAMPLES).astype(np.float64)


def experiment(rng, weights, seeds, between, own):
    """Differences of one experiment whose true mean is 0: [seeds, resamples] and [seeds].

    An event moves all seeds alike by a standard normal; a seed is off by ``between``; and each seed
    has noise of its own on each event, ``own``.
    """
    values = rng.normal(size=EVENTS) + between * rng.normal(size=(seeds, 1))
    values = values + own * rng.normal(size=(seeds, EVENTS))
    return values @ weights.T / EVENTS, values.mean(axis=1)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("between", "own"), [(0, 0.5), (0, 1), (0.1, 1), (0.5, 1), (0.2, 2)])
def test_intervals_cover_the_truth(seeds, between, own, weights):
    rng = np.random.default_rng(seeds)
    effects = [
        paired_effect(*experiment(rng, weights, seeds, between, own)) for _ in range(EXPERIMENTS)
    ]
    covered = [effect.low <= 0 <= effect.high for effect in effects]
    assert 0.93 <= np.mean(covered) <= 0.97
    # A test at 5 % rejects where the interval leaves 0 out.
    assert covered[:100] == [effect.p_value() >= 0.05 for effect in effects[:100]]


def test_the_events_alone_are_too_little_where_training_is_noisy(weights):
    """What an interval would cover that took seeds for fixed, as one seed must."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(500):
        effect = paired_effect(*experiment(rng, weights, 3, 0.5, 1))
        covered += abs(effect.effect) <= norm.isf(0.025) * math.sqrt(effect.events)
    assert covered / 500 < 0.6


def test_another_seed_falls_into_its_prediction_interval(weights):
    rng, inside = np.random.default_rng(1), 0
    for _ in range(1000):
        draws, observed = experiment(rng, weights, 5, 0.3, 1)
        low, high = paired_effect(draws[:4], observed[:4]).next_seed()
        inside += low <= observed[4] <= high
    assert 0.93 <= inside / 1000 <= 0.97


def test_what_an_experiment_could_have_shown(weights):
    """A true difference of the size named is found in four of five repetitions."""
    rng, sizes = np.random.default_rng(2), []
    for _ in range(300):
        sizes.append(paired_effect(*experiment(rng, weights, 5, 0.1, 1)).decidable())
    true, found = np.mean(sizes), 0
    for _ in range(1000):
        draws, observed = experiment(rng, weights, 5, 0.1, 1)
        effect = paired_effect(draws + true, observed + true)
        found += effect.p_value() < 0.05
    assert 0.7 <= found / 1000 <= 0.9


def test_one_seed_shows_events_only():
    effect = Effect(0.5, events=0.04)
    assert math.isclose(effect.high, 0.5 + norm.isf(0.025) * 0.2)
    assert effect.next_seed() is None
    assert math.isclose(effect.p_value(), 2 * norm.sf(2.5), rel_tol=1e-9)


def test_training_noise_alone_is_students_t():
    effect = Effect(2.0, events=0.0, training=1.0, seeds=3, noise=math.sqrt(3))
    assert math.isclose(effect.reach(), t.isf(0.025, 2))
    assert math.isclose(effect.p_value(0.5), 2 * t.sf(1.5, 2), rel_tol=1e-9)
    assert math.isclose(effect.p_value(3.5), effect.p_value(0.5))


def test_extremes():
    assert Effect(1.0, events=0.0).p_value(1.0) == 1
    assert Effect(1.0, events=0.0).p_value(0.0) == 0
    assert Effect(1.0, events=1e-8).p_value() == 0
    assert Effect(1.0, events=1.0).p_value(1.0) == 1


def test_samples_without_a_class_are_left_out(weights):
    rng = np.random.default_rng(3)
    draws, observed = experiment(rng, weights, 3, 0.1, 1)
    draws[1, 7] = np.nan
    effect = paired_effect(draws, observed)
    assert effect == paired_effect(np.delete(draws, 7, axis=1), observed)
