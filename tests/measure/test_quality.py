import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from embedstudy.measure import quality


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_equals_scikit_learn_with_ties(pairs):
    labels = np.array([label for label, _ in pairs], dtype=float)
    scores = np.array([score for _, score in pairs], dtype=float)
    if labels.min() == labels.max():
        assert quality.auc(labels, scores) is None
    else:
        assert quality.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_logloss_equals_scikit_learn():
    labels = np.array([0.0, 1.0, 1.0, 0.0])
    probabilities = np.array([0.1, 0.8, 0.3, 0.999], dtype=np.float32)
    assert quality.logloss(labels, probabilities) == pytest.approx(log_loss(labels, probabilities))


def test_slices_follow_the_rarest_id_and_keep_unseen_apart():
    # Two fields of 4 rows; ids 0 and 4 are the out-of-vocabulary rows.
    counts = np.array([50, 9, 6, 3, 50, 9, 9, 9])
    ids = np.array([[1, 5], [2, 5], [3, 5], [0, 5], [0, 6]])
    unseen = np.array([False, False, False, False, True])
    masks = quality.slices(counts, ids, unseen, np.array([0, 4]))
    assert masks["unseen"].tolist() == [False, False, False, False, True]
    # rarity of the four seen events: 9, 6, 3, 0 (their field's out-of-vocabulary row)
    assert masks["cold"].tolist() == [False, False, True, True, False]
    assert masks["hot"].tolist() == [True, True, False, False, False]
