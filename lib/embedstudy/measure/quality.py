"""Quality of click-through predictions: AUC and logloss, over all events and over slices."""

import numpy as np
from scipy.stats import rankdata


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve, ties counted half (Mann-Whitney). None without both classes."""
    positive = labels > 0.5
    n = int(positive.sum())
    m = len(labels) - n
    if n == 0 or m == 0:
        return None
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def logloss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean binary cross-entropy in nats; probabilities are clipped to [1e-7, 1 - 1e-7]."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))


def slices(counts: np.ndarray, ids: np.ndarray, unseen: np.ndarray, field_starts: np.ndarray):
    """Boolean masks of the test events by how well training covers them.

    ``counts`` [rows]: training frequency of each id; ``ids`` [N, F] global; ``unseen`` [N].
    An event is as rare as its rarest id (an out-of-vocabulary id counts 0). Of the events whose
    values all occur in training, ``cold`` is the rarest third and ``hot`` the most frequent
    third; ``unseen`` are the events with a value that never occurs in training.
    """
    frequency = counts[ids]
    frequency[ids == field_starts] = 0
    rarity = frequency.min(axis=1)
    seen = ~unseen
    if not seen.any():
        return {"hot": seen, "cold": seen, "unseen": unseen}
    low, high = np.quantile(rarity[seen], [1 / 3, 2 / 3])
    return {
        "hot": seen & (rarity >= high),
        "cold": seen & (rarity <= low),
        "unseen": unseen,
    }
