"""How large a difference is, and how sure: which events were met, and how training went.

A difference of two methods is measured with several seeds on the same test events. Two things would
change it: other events (a bootstrap resamples them, in clusters where several come from one user),
and another training (by which seeds differ). Both are estimated; the interval takes the normal
quantile for the first and Student's for the second, as few seeds show little of it.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, t

LEVEL = 0.05  # of tests; intervals are those of 95 %
_SURE = 1e-300  # smaller p are 0
_POWER = 0.8  # share of repetitions that are to find a true difference


@dataclass(frozen=True)
class Effect:
    """A mean difference and the two variances of that mean.

    Args:
        effect: the mean over seeds, on the events themselves.
        events: its variance by which events were met.
        training: its variance by training noise; 0 where nothing shows any.
        seeds: how many it was measured with; one seed shows no training noise.
        noise: standard deviation by which seeds differ on the same events; None with one seed.
    """

    effect: float
    events: float
    training: float = 0.0
    seeds: int = 1
    noise: float | None = None

    def reach(self, level: float = LEVEL) -> float:
        """Half the width of the interval of confidence 1 - ``level``.

        The squares of the two parts' own half-widths add up (Zou and Donner, "Construction of
        confidence limits about effect measures", Statistics in Medicine 2008).
        """
        square = float(norm.isf(level / 2)) ** 2 * self.events
        if self.training:
            square += float(t.isf(level / 2, self.seeds - 1)) ** 2 * self.training
        return math.sqrt(square)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.effect - self.reach()

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.effect + self.reach()

    def p_value(self, margin: float = 0.0) -> float:
        """Two-sided p of the hypothesis that the effect equals ``margin``: 1 less the confidence of
        the interval that ends there."""
        distance = abs(self.effect - margin)
        if self.events == self.training == 0:
            return float(distance == 0)
        if distance == 0:
            return 1.0
        if self.reach(_SURE) <= distance:
            return 0.0
        gap = brentq(lambda x: self.reach(math.exp(x)) - distance, math.log(_SURE), 0.0)
        return math.exp(gap)

    def decidable(self, level: float = LEVEL) -> float:
        """The smallest true distance from a margin that this experiment would find in four of five
        repetitions, tested at ``level``."""
        return self.reach(level) + self.reach(2 * (1 - _POWER))

    def next_seed(self) -> tuple[float, float] | None:
        """The 95 % prediction interval of the difference that one more seed shows on these events;
        None with one seed, which does not tell how far another may lie."""
        if self.noise is None:
            return None
        spread = self.noise * math.sqrt(1 + 1 / self.seeds)
        reach = float(t.isf(LEVEL / 2, self.seeds - 1)) * spread
        return self.effect - reach, self.effect + reach


def paired_effect(differences: np.ndarray, observed: np.ndarray) -> Effect:
    """Effect of a difference measured with several seeds on the same events.

    ``differences`` [seeds, resamples]: the difference of a seed on each bootstrap sample of the
    events, the samples the same for all seeds; ``observed`` [seeds]: that on the events themselves.

    The bootstrap of the mean over K seeds shows the events' part, the spread of the seeds over K that
    of training. Each model errs on events of its own, which both of them count: half of that share,
    which the bootstrap shows too, is taken off each. With one seed only events enter.
    """
    seeds = len(differences)
    differences = differences[:, ~np.isnan(differences).any(axis=0)]
    mean = differences.mean(axis=0)
    events = float(mean.var(ddof=1))
    if seeds == 1:
        return Effect(float(observed[0]), events)
    spread = float(np.var(observed, ddof=1))
    own = float((differences - mean).var(axis=1, ddof=1).sum()) / (seeds - 1)
    both = own / seeds / 2
    return Effect(
        float(np.mean(observed)),
        max(events - both, 0.0),
        max(spread / seeds - both, 0.0),
        seeds,
        math.sqrt(spread),
    )
