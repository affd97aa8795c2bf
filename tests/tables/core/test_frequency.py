"""Which methods need ids in order of frequency, and what they say where they are not."""

import pytest
import torch

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.frequency import check_frequency_order


def test_ids_in_order_pass_whatever_the_first_id_of_a_field_counts():
    check_frequency_order("mgqe", TableSpec((4, 3, 1), 8, torch.tensor([0, 9, 9, 2, 7, 5, 5, 3])))


def test_the_first_id_out_of_order_is_named():
    spec = TableSpec((2, 5), 8, torch.tensor([1, 4, 0, 3000, 7, 1200, 2000]))
    expected = r"mgqe needs .* in field 1 id 3 occurs 1,200 times and id 2 only 7: number"
    with pytest.raises(StudyError, match=expected):
        check_frequency_order("mgqe", spec)
