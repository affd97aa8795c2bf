"""Paired comparisons: a bootstrap over test examples and seeds, and Holm's correction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from embedstudy.core.seeding import numpy_generator


def resampling_weights(events: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each event occurs in each bootstrap sample: uint8 [resamples, events].

    The same arguments give the same samples, which is what pairs two models: both are evaluated
    on the same resampled events.
    """
    rng = numpy_generator(seed, "bootstrap", events)
    drawn = rng.integers(0, events, (resamples, events))
    drawn += events * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * events)
    return counts.reshape(resamples, events).astype(np.uint8)


def weighted_auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of each bootstrap sample, ties counted half: [resamples].

    ``labels``, ``scores`` [N], ``weights`` [resamples, N]. One sort serves all samples. NaN where
    a sample lacks one of the classes.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]  # of its tied scores
    positive = labels[order] > 0.5
    drawn = weights[:, order]
    lost = np.where(positive, 0, drawn)
    below = np.cumsum(lost, axis=1, dtype=np.int32)  # losses up to each event, itself included
    if first.all():
        twice = 2 * below[:, positive]
    else:  # half of the losses within a group of ties count
        last = np.r_[np.flatnonzero(first)[1:], len(order)] - 1
        upto = np.pad(below[:, last], ((0, 0), (1, 0)))
        twice = (upto[:, 1:] + upto[:, :-1])[:, (np.cumsum(first) - 1)[positive]]
    # Whole numbers throughout, so the sums are exact whatever their order.
    won = drawn[:, positive]
    pairs = won.sum(axis=1, dtype=np.int64) * lost.sum(axis=1, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        return (won * twice.astype(np.int64)).sum(axis=1) / 2 / pairs


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of ``values`` [N] on each bootstrap sample of ``weights`` [resamples, N]: [resamples]."""
    return weights @ values / weights.sum(axis=1)


def weighted_spearman(left: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of two arrays [N] on each bootstrap sample: [resamples].

    ``weights`` [resamples, N] says how often each example occurs. Ties share their mean rank.
    """
    a, b = (_weighted_ranks(values, weights) for values in (left, right))
    total = weights.sum(axis=1, keepdims=True)
    a -= (weights * a).sum(axis=1, keepdims=True) / total
    b -= (weights * b).sum(axis=1, keepdims=True) / total
    with np.errstate(invalid="ignore"):
        return (weights * a * b).sum(axis=1) / np.sqrt(
            (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
        )


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean rank of each example among those of each sample, float64 [resamples, N]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]]  # one group a tied value
    group = np.cumsum(starts) - 1
    size = np.add.reduceat(weights[:, order].astype(np.float64), np.flatnonzero(starts), axis=1)
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
