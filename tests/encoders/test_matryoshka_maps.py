"""A linear map trained on vectors that stay as they are."""

import numpy as np
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.encoders.matryoshka.maps import trained_axes

WIDTH, MEAN = 16, np.full(16, 5.0, np.float32)
EYE = np.eye(WIDTH, dtype=np.float32)


@pytest.fixture
def columns():
    """Pairs that share their last four numbers; the first twelve are longer and their own."""
    rng = np.random.default_rng(0)
    shared = 0.3 * rng.normal(size=(200, 4))
    noise = 2 * rng.normal(size=(2, 200, 12))
    return [np.concatenate([own, shared], axis=1) + MEAN for own in noise]


def right(columns, axes, dim):
    """How often an anchor's own positive is the nearest by cosine of the first numbers."""
    cut = [(one - MEAN) @ axes[:, :dim] for one in columns]
    first, second = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in cut)
    return np.mean((first @ second.T).argmax(1) == np.arange(len(first)))


def test_it_finds_what_pairs_share_where_the_longest_axes_hold_noise(columns):
    config = {"batch": 64, "lr": 0.03, "seed": 0}
    axes = trained_axes(columns, EYE, MEAN, [WIDTH, 4], steps=400, **config)
    assert right(columns, EYE, 4) < 0.05
    assert right(columns, axes, 4) > 0.6
    again = trained_axes(columns, EYE, MEAN, [WIDTH, 4], steps=400, **config)
    assert axes.tobytes() == again.tobytes()
    assert axes.dtype == np.float32


def test_without_steps_it_is_where_it_started(columns):
    config = {"batch": 8, "lr": 0.1, "seed": 0}
    assert np.array_equal(trained_axes(columns, EYE, MEAN, [4], steps=0, **config), EYE)


def test_fewer_pairs_than_a_batch_are_one_sentence(columns):
    with pytest.raises(StudyError, match="There are 200 pairs, a batch takes 201"):
        trained_axes(columns, EYE, MEAN, [4], steps=1, batch=201, lr=0.1, seed=0)
