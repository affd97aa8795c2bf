"""Codes of a few bits and sums of lengths, against plain lists."""

import pytest
import torch

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.packing import pack_row, sampled_sums, take


@pytest.mark.parametrize("bits", [1, 3, 4, 9, 16])
def test_single_codes_are_taken_from_a_packed_row(bits):
    codes = torch.randint(2**bits, (101,), generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[100, 0], [57, 3]])
    assert torch.equal(take(pack_row(codes, bits), bits, index), codes[index])


def test_sums_are_those_before_every_so_many_th():
    lengths = torch.tensor([3, 1, 4, 1, 5, 9, 2])
    assert sampled_sums(lengths).tolist() == [0, 3, 4, 8, 9, 14, 23]
    assert sampled_sums(lengths, 3).tolist() == [0, 8, 23]
    assert sampled_sums(lengths, 3).dtype == torch.int32
    assert sampled_sums(lengths[:0], 3).tolist() == []


def test_more_numbers_than_32_bits_can_count_are_refused():
    assert sampled_sums(torch.tensor([2**30, 2**30 - 1])).tolist() == [0, 2**30]
    with pytest.raises(StudyError, match="at most 2,147,483,647 numbers, this one has 2,147,483,6"):
        sampled_sums(torch.tensor([2**30, 2**30]))
