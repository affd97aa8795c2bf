"""Paired comparisons: a bootstrap over test examples and seeds, and Holm's correction.

A statistic on a thousand bootstrap samples of a million events would fill many gigabytes if it were
computed at once. So samples are drawn and judged a few at a time: what a statistic holds besides its
arguments are the ``CHUNK`` events of some samples, or those of four where these are more. Its numbers
are the same, to the bit, whatever the size of the chunk.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from embedstudy.core.seeding import numpy_generator

CHUNK = 1 << 21  # events, of all samples that are judged together
_LANES = 4  # BLAS multiplies rows by fours: chunks of other sizes would round sums differently
_KEPT = 1 << 28  # bytes of weights that are kept for the next statistic, not drawn again


class Resamples:
    """The bootstrap samples of a data set: how often each event occurs in each of them.

    The same arguments give the same samples, which is what pairs two models: both are evaluated
    on the same resampled events. Up to 256 MiB of weights are kept; more are drawn anew, in chunks,
    by every statistic that asks for them.

    Args:
        events: of the data set.
        resamples: samples, each of as many events.
        seed: of the draws.
        groups: whose each event is, [events]: users, say. The events of one are no independent
            draws, so groups are drawn instead, with all of their events. None: events are drawn.
    """

    def __init__(
        self, events: int, resamples: int, seed: int = 0, groups: np.ndarray | None = None
    ):
        self.events, self.resamples, self.seed = events, resamples, seed
        self._groups = None if groups is None else np.unique(groups, return_inverse=True)[1]
        self._kept: np.ndarray | None = None

    def blocks(self) -> Iterator[np.ndarray]:
        """The weights of all samples in their order: uint8 [some of them, events]."""
        if self._kept is None and self.events * self.resamples <= _KEPT:
            self._kept = resampling_weights(self.events, self.resamples, self.seed, self._groups)
        if self._kept is not None:
            yield self._kept
            return
        rng = _generator(self.seed, self.events, self._groups)
        step = _rows_of_a_chunk(self.events)
        for row in range(0, self.resamples, step):
            block = np.empty((min(step, self.resamples - row), self.events), np.uint8)
            yield _drawn(rng, block, self._groups)


Weights = np.ndarray | Resamples  # [resamples, events]


def resampling_weights(
    events: int, resamples: int, seed: int = 0, groups: np.ndarray | None = None
) -> np.ndarray:
    """The weights of ``Resamples``, all at once: uint8 [resamples, events].

    ``groups``: as there, numbered without gaps.
    """
    weights = np.empty((resamples, events), np.uint8)
    return _drawn(_generator(seed, events, groups), weights, groups)


def _generator(seed: int, events: int, groups: np.ndarray | None) -> np.random.Generator:
    return numpy_generator(seed, "bootstrap", _drawable(events, groups))


def _drawable(events: int, groups: np.ndarray | None) -> int:
    """How many things are drawn from: events, or groups of them."""
    return events if groups is None else int(groups.max()) + 1


def _drawn(rng: np.random.Generator, weights: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """``weights`` [samples, events], filled with the next samples of ``rng``."""
    size = _drawable(weights.shape[1], groups)
    for sample in weights:
        often = np.bincount(rng.integers(0, size, size), minlength=size)
        sample[:] = often if groups is None else often[groups]
    return weights


def _rows_of_a_chunk(events: int) -> int:
    return max(_LANES, CHUNK // max(events, 1) // _LANES * _LANES)


def _by_chunks(statistic: Callable[[np.ndarray], np.ndarray], weights: Weights) -> np.ndarray:
    """``statistic`` of each sample, [resamples], from weights [a few, events] at a time."""
    parts = []
    for block in weights.blocks() if isinstance(weights, Resamples) else [weights]:
        step = _rows_of_a_chunk(block.shape[1])
        parts += [statistic(block[row : row + step]) for row in range(0, len(block), step)]
    return np.concatenate(parts)


def weighted_auc(labels: np.ndarray, scores: np.ndarray, weights: Weights) -> np.ndarray:
    """AUC of each bootstrap sample, ties counted half: [resamples].

    ``labels``, ``scores`` [N], ``weights`` [resamples, N]. One sort serves all samples. NaN where
    a sample lacks one of the classes.
    """
    order, first = _ties(scores)
    positive = labels[order] > 0.5
    last = np.r_[np.flatnonzero(first)[1:], len(order)] - 1
    group = (np.cumsum(first) - 1)[positive]  # of tied scores, that of each positive event

    def auc(weights: np.ndarray) -> np.ndarray:
        drawn = weights[:, order]
        lost = np.where(positive, 0, drawn)
        below = np.cumsum(lost, axis=1, dtype=np.int32)  # losses up to each event, itself included
        if first.all():
            twice = 2 * below[:, positive]
        else:  # half of the losses within a group of ties count
            upto = np.pad(below[:, last], ((0, 0), (1, 0)))
            twice = (upto[:, 1:] + upto[:, :-1])[:, group]
        # Whole numbers throughout, so the sums are exact whatever their order.
        won = drawn[:, positive]
        pairs = won.sum(axis=1, dtype=np.int64) * lost.sum(axis=1, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            return (won * twice.astype(np.int64)).sum(axis=1) / 2 / pairs

    return _by_chunks(auc, weights)


def weighted_mean(values: np.ndarray, weights: Weights) -> np.ndarray:
    """Mean of ``values`` [N] on each bootstrap sample of ``weights`` [resamples, N]: [resamples]."""
    return _by_chunks(lambda some: some @ values / some.sum(axis=1), weights)


def weighted_spearman(left: np.ndarray, right: np.ndarray, weights: Weights) -> np.ndarray:
    """Spearman's rank correlation of two arrays [N] on each bootstrap sample: [resamples].

    ``weights`` [resamples, N] says how often each example occurs. Ties share their mean rank.
    """
    ties = [_ties(values) for values in (left, right)]

    def spearman(weights: np.ndarray) -> np.ndarray:
        a, b = (_weighted_ranks(order, first, weights) for order, first in ties)
        total = weights.sum(axis=1, keepdims=True)
        a -= (weights * a).sum(axis=1, keepdims=True) / total
        b -= (weights * b).sum(axis=1, keepdims=True) / total
        with np.errstate(invalid="ignore"):
            return (weights * a * b).sum(axis=1) / np.sqrt(
                (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
            )

    return _by_chunks(spearman, weights)


def _ties(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of ``values``, and which of them in that order are the first of their ties: [N]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.r_[True, ordered[1:] != ordered[:-1]]


def _weighted_ranks(order: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean rank of each example among those of each sample, float64 [resamples, N]."""
    group = np.cumsum(first) - 1  # one a tied value
    size = np.add.reduceat(weights[:, order].astype(np.float64), np.flatnonzero(first), axis=1)
    rank = np.cumsum(size, axis=1) - (size - 1) / 2
    ranks = np.empty(weights.shape)
    ranks[:, order] = rank[:, group]
    return ranks


@dataclass(frozen=True)
class Effect:
    """A mean difference with its bootstrap standard error; the interval is the normal one."""

    effect: float
    error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.effect - norm.ppf(0.975) * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.effect + norm.ppf(0.975) * self.error

    def p_value(self, margin: float = 0.0) -> float:
        """Two-sided p of the hypothesis that the effect equals ``margin``."""
        if self.error == 0:
            return float(self.effect == margin)
        return float(2 * norm.sf(abs(self.effect - margin) / self.error))


def paired_effect(differences: np.ndarray, observed: float, seed: int = 0) -> Effect:
    """Effect of a difference measured on several seeds.

    ``differences`` [seeds, resamples]: the difference on each bootstrap sample of the events;
    ``observed``: the mean difference on the events themselves. Each bootstrap draw also draws the
    seeds with replacement, so the error covers both which events and which seeds were met. With
    one seed only the events vary; with few, the seeds' share is a rough estimate.
    """
    seeds, resamples = differences.shape
    chosen = numpy_generator(seed, "seeds", seeds).integers(0, seeds, (resamples, seeds))
    draws = differences[chosen, np.arange(resamples)[:, None]].mean(axis=1)
    return Effect(observed, float(np.nanstd(draws, ddof=1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    result = np.empty(len(p))
    result[order] = adjusted
    return result.tolist()
