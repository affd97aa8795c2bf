"""What ``fake_work`` loads by name, as a work function loads a method."""

import numpy as np


def scores(seed):
    values = np.random.default_rng(seed).normal(size=(300, 300))
    return (values @ values)[0].astype(np.float32)
