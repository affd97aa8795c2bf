import numpy as np
import pytest

from embedstudy.measure.vectors import unit


def test_rows_have_length_one_and_a_zero_row_stays_zero():
    scaled = unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    assert scaled.dtype == np.float32
    assert scaled == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))
