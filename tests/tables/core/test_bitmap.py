"""Rank over a packed bitmap, against sums of the mask."""

import pytest
import torch

from embedstudy.tables.core.bitmap import Bitmap, set_bits


def filled(mask):
    bitmap = Bitmap(len(mask))
    bitmap.fill(mask)
    return bitmap


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("places", [1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 5000])
def test_rank_counts_the_set_places_before(places, share):
    mask = torch.rand(places, generator=torch.Generator().manual_seed(1)) < share
    bitmap = filled(mask)
    there, rank = bitmap.rank(torch.arange(places))
    assert torch.equal(there, mask)
    assert torch.equal(bitmap.isset(torch.arange(places)), mask)
    assert torch.equal(rank, mask.cumsum(0) - mask.long())


def test_rank_takes_places_of_any_shape_and_order():
    mask = torch.rand(3000, generator=torch.Generator().manual_seed(2)) < 0.5
    place = torch.tensor([[2999, 0], [255, 256], [256, 255]])
    there, rank = filled(mask).rank(place)
    assert torch.equal(there, mask[place])
    assert torch.equal(rank, (mask.cumsum(0) - mask.long())[place])
    assert filled(mask).rank(place[:0])[1].shape == (0, 2)


def test_counts_are_derived_anew_when_bits_are_loaded_or_changed():
    rng = torch.Generator().manual_seed(3)
    one, other = (torch.rand(700, generator=rng) < share for share in (0.2, 0.7))
    bitmap = filled(one)
    bitmap.load_state_dict(filled(other).state_dict())
    assert list(bitmap.state_dict()) == ["bits"]
    assert torch.equal(bitmap.rank(torch.arange(700))[1], other.cumsum(0) - other.long())
    bitmap.fill(one)
    assert torch.equal(bitmap.rank(torch.arange(700))[1], one.cumsum(0) - one.long())


def test_memory_holds_an_eighth_more_than_the_bits():
    bitmap = Bitmap(10**6)
    assert bitmap.bits.nbytes - 10**6 / 8 < 32
    assert sum(b.nbytes for b in bitmap.buffers()) == bitmap.bits.nbytes * 1.125


def test_bits_of_a_word_are_counted_its_sign_included():
    words = [0, 1, -1, 2**63 - 1, -(2**63), 0x0F0F, -2]
    assert set_bits(torch.tensor(words)).tolist() == [0, 1, 64, 63, 1, 8, 63]
    rng = torch.Generator().manual_seed(4)
    words = torch.randint(-(2**63), 2**63 - 1, (1000,), generator=rng)
    assert set_bits(words).tolist() == [(w % 2**64).bit_count() for w in words.tolist()]
