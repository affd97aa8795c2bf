import numpy as np
import pytest

from embedstudy.measure.spectrum import participation_ratio, rankme, singular_values


def test_an_isotropic_set_uses_every_direction():
    both = np.vstack([np.eye(8), -np.eye(8)])
    assert rankme(both) == pytest.approx(8, rel=1e-4)
    assert participation_ratio(both) == pytest.approx(8)


def test_copies_of_one_vector_and_points_on_a_line_use_one():
    copies = np.ones((20, 6))
    assert rankme(copies) == pytest.approx(1, abs=1e-4)
    line = np.outer(np.arange(10), [1.0, 2.0, 3.0])
    assert participation_ratio(line) == pytest.approx(1)


def test_unequal_directions_by_hand():
    vectors = np.diag([3.0, 1.0])  # shares 3/4 and 1/4
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert singular_values(vectors).tolist() == pytest.approx([3, 1])
    assert rankme(vectors) == pytest.approx(np.exp(entropy), rel=1e-5)
    spread = np.array([[2.0, 0], [-2.0, 0], [0, 1.0], [0, -1.0]])  # eigenvalues 8 and 2
    assert participation_ratio(spread) == pytest.approx(10**2 / (8**2 + 2**2))
