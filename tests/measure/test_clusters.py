"""Events of one user are no independent draws: the bootstrap resamples them together."""

import numpy as np

from embedstudy.measure import significance
from embedstudy.measure.significance import Resamples, weighted_mean


def weights(samples):
    return np.concatenate(list(samples.blocks()))


def test_events_of_a_group_stand_or_fall_together():
    groups = np.array([7, 2, 7, 7, 2, 5])
    drawn = weights(Resamples(6, 50, groups=groups))
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, 0] == drawn[:, 3]).all()
    assert (drawn[:, 1] == drawn[:, 4]).all()
    assert (drawn[:, 0] + drawn[:, 1] + drawn[:, 5] == 3).all(), "as many groups as there are"


def test_groups_of_one_event_are_the_events():
    alone = weights(Resamples(40, 20, groups=np.arange(40)[::-1]))[:, ::-1]
    assert np.array_equal(alone, weights(Resamples(40, 20)))


def test_chunks_draw_the_same_groups(monkeypatch):
    groups = np.arange(300) // 7
    whole = weights(Resamples(300, 30, groups=groups))
    monkeypatch.setattr(significance, "_KEPT", 0)
    monkeypatch.setattr(significance, "CHUNK", 1200)
    assert np.array_equal(weights(Resamples(300, 30, groups=groups)), whole)


def test_only_groups_cover_where_users_differ():
    """95 % intervals of a mean of 40 users with 25 events each, users far apart."""
    rng, groups, covered = np.random.default_rng(0), np.arange(1000) // 25, {True: 0, False: 0}
    samples = {True: Resamples(1000, 100, groups=groups), False: Resamples(1000, 100)}
    for _ in range(300):
        values = rng.normal(size=40)[groups] + rng.normal(size=1000)
        for clustered, one in samples.items():
            spread = weighted_mean(values, one).std(ddof=1)
            covered[clustered] += abs(values.mean()) <= 1.96 * spread
    assert covered[True] / 300 > 0.9
    assert covered[False] / 300 < 0.6
