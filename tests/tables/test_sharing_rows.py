"""Each method of the family against rows worked out by hand: only the true algorithm passes."""

import pytest
import torch

from embedstudy.errors import StudyError
from embedstudy.seeding import derive
from embedstudy.tables.base import TableSpec
from embedstudy.tables.hashing import (
    PRIME,
    FieldHash,
    UniversalHash,
    affordable_floor,
    field_slots,
)
from embedstudy.tables.sharing_rows import METHODS

ROWS = (900, 7, 300)


def spec(rows=ROWS, dim=8):
    return TableSpec(tuple(rows), dim, torch.ones(sum(rows)))


def build(name, share=0.5, seed=0, rows=ROWS, dim=8, **options):
    made = spec(rows, dim)
    return METHODS[name].build(made, int(share * made.full_bytes), seed, **options)


def hashed(seed, nth, x, slots):
    """The polynomial hash in plain integers."""
    c3, c2, c1, c0 = (derive(seed, "hash", nth, i) % PRIME for i in range(4))
    return (c3 * x**3 + c2 * x**2 + c1 * x + c0) % PRIME % slots


# -- hashing -----------------------------------------------------------------------------------
def test_hash_in_plain_integers_even_for_the_largest_ids():
    ids = [0, 1, 12345, 2**30, PRIME - 1]
    slots = UniversalHash(5, 2)(torch.tensor(ids), 1000)
    assert slots.tolist() == [hashed(5, 2, x, 1000) for x in ids]


@pytest.mark.parametrize("step", [1, 1024])
def test_hash_spreads_neighbouring_ids_like_chance(step):
    """n ids reach m (1 - (1 - 1/m)^n) slots; a linear hash misses by thousands."""
    n, m = 20_000, 10_000
    for seed in range(20):
        used = UniversalHash(seed)(torch.arange(n) * step, m).unique().numel()
        assert used == pytest.approx(m * (1 - (1 - 1 / m) ** n), abs=200)


def test_hash_is_uniform_over_slots():
    counts = UniversalHash(1)(torch.arange(100_000), 100).bincount(minlength=100)
    assert ((counts - 1000).square() / 1000).sum() < 160  # chi-squared, 99 degrees of freedom


def test_functions_of_one_seed_are_independent():
    first, second = (UniversalHash(0, nth)(torch.arange(20_000), 1000) for nth in (0, 1))
    assert (first == second).float().mean().item() == pytest.approx(1e-3, abs=1e-3)


def test_a_field_with_room_for_every_id_is_not_hashed():
    slots = FieldHash(0, 0, [10, 4, 10], [3, 9, 2])
    field = torch.tensor([1, 1, 1, 1, 2, 0])
    ids = torch.tensor([10, 11, 12, 13, 20, 4])
    last = [12 + hashed(0, 0, 20, 2), hashed(0, 0, 4, 3)]
    assert slots(ids, field).tolist() == [3, 4, 5, 6, *last]


def test_slots_follow_one_ratio_above_the_floor():
    assert field_slots([1000, 100, 3], 110, 1) == [100, 10, 1]
    assert field_slots([1000, 100, 3], 110, 5) == [100, 10, 3]
    assert field_slots([1000, 100, 3], 1103, 1) == [1000, 100, 3]


def test_the_floor_takes_at_most_half():
    assert affordable_floor([1000, 100, 3], 32, 1000) == 32
    assert affordable_floor([1000, 100, 3], 32, 50) == 11  # 11 + 11 + 3
    assert affordable_floor([1000, 100, 3], 32, 1) == 1


# -- hash --------------------------------------------------------------------------------------
def test_hash_row_by_hand():
    table = build("hash", seed=3)
    slots = field_slots(ROWS, table.size, table.floor)
    for field, start, base in ((0, 0, 0), (2, 907, slots[0] + 7)):
        for x in (start, start + 1, start + 250, start + 299):
            row = base + hashed(3, 0, x, slots[field])
            assert torch.equal(table(torch.tensor(x)), table.rows[row])


def test_hash_keeps_small_fields_whole_and_fields_apart():
    table = build("hash", 0.1, rows=(9000, 7, 3000))
    assert table(torch.arange(9000, 9007)).unique(dim=0).shape[0] == 7
    first, last = table(torch.arange(9000)), table(torch.arange(9007, 12007))
    both = torch.cat([first.unique(dim=0), last.unique(dim=0)])
    assert both.unique(dim=0).shape[0] == both.shape[0]


def test_hash_without_collisions_is_an_embedding():
    table = build("hash", 1.2)
    assert table.size == sum(ROWS)
    assert torch.equal(table(torch.arange(sum(ROWS))), table.rows)


def test_hash_with_floor_one_shrinks_every_field_by_one_ratio():
    table = build("hash", 0.1, rows=(9000, 70, 3000), floor=1)
    slots = field_slots((9000, 70, 3000), table.size, 1)
    assert slots[1] == -(-70 * slots[0] // 9000)


def test_hash_refuses_a_floor_of_zero():
    with pytest.raises(StudyError, match="option floor of hash must be a whole number from 1"):
        build("hash", floor=0)
