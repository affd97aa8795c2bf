"""Unit vectors with clusters, to code in tests."""

import numpy as np

from embedstudy.codes.base import unit

DIM = 32


def clustered(count, seed=0, dim=DIM):
    """Unit vectors around 12 centres, with unequal variances."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(12, dim))
    spread = np.linspace(1.0, 0.1, dim)
    drawn = centres[rng.integers(0, 12, count)] + rng.normal(size=(count, dim))
    return unit((drawn * spread).astype(np.float32))


TRAIN, CORPUS, QUERIES = clustered(600), clustered(300, 1), clustered(20, 2)
