import doctest

import pytest

from embedstudy.measure import units
from embedstudy.measure.units import budget_name


def test_the_examples_hold():
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize("whole", [2, 3, 10, 100, 1000])
def test_a_budget_of_one_in_n_is_written_so(whole):
    assert budget_name(1 / whole) == f"1/{whole}"
    assert budget_name(round(1 / whole, 4)) == f"1/{whole}"
