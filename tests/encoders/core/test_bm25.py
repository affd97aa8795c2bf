import numpy as np
import pytest

from embedstudy.encoders.core.bm25 import BM25

DOCUMENTS = ["heat heat plate", "The wing", "wing flow, flow; FLOW wing"]


def test_score_by_hand():
    scores = BM25(DOCUMENTS, k1=0.9, b=0.4).scores(["Heat", "flow wing flow", "unknown"])
    average = 10 / 3

    def weight(frequency, length, holding):
        idf = np.log(1 + (3 - holding + 0.5) / (holding + 0.5))
        return idf * frequency * 1.9 / (frequency + 0.9 * (0.6 + 0.4 * length / average))

    expected = [
        [weight(2, 3, 1), 0, 0],
        [0, weight(1, 2, 2), 2 * weight(3, 5, 1) + weight(2, 5, 2)],
        [0, 0, 0],
    ]
    assert scores == pytest.approx(np.array(expected), rel=1e-6)


def test_empty_texts():
    assert BM25(["", "wing"]).scores(["", "wing"]).shape == (2, 2)
    assert BM25(["", ""]).scores(["wing"]).tolist() == [[0, 0]]
