"""Each method of the family against rows worked out by hand: only the true algorithm passes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.digits import digits, root
from embedstudy.tables.core.hashing import (
    PRIME,
    FieldHash,
    UniversalHash,
    affordable_floor,
    field_slots,
)
from embedstudy.tables.sharing_rows import robe
from embedstudy.tables.sharing_rows.methods import METHODS

ROWS = (900, 7, 300)


def spec(rows=ROWS, dim=8):
    return TableSpec(tuple(rows), dim, torch.ones(sum(rows)))


def build(name, share=0.5, seed=0, rows=ROWS, dim=8, **options):
    table_spec = spec(rows, dim)
    return METHODS[name].build(table_spec, int(share * table_spec.full_bytes), seed, **options)


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


# -- double hash -------------------------------------------------------------------------------
def test_double_hash_sums_two_rows_of_one_table():
    table = build("double_hash", seed=3)
    m = field_slots(ROWS, table.size, table.floor)
    for x in (0, 17, 899):
        first, second = (table.rows[hashed(3, nth, x, m[0])] for nth in (0, 1))
        torch.testing.assert_close(table(torch.tensor(x)), first + second)


def test_double_hash_joins_halves_of_two_tables():
    table = build("double_hash", seed=3, op="concat", dim=7)
    m = field_slots(ROWS, table.size, table.floor)
    assert table.rows.shape == (2 * sum(m), 4)
    for x in (907, 1000, 1206):
        first, second = (m[0] + m[1] + hashed(3, nth, x, m[2]) for nth in (0, 1))
        joined = torch.cat([table.rows[first], table.rows[sum(m) + second]])
        assert torch.equal(table(torch.tensor(x)), joined[:7])


@pytest.mark.parametrize("op", ["sum", "concat"])
def test_double_hash_collides_less_than_hash(op):
    ids = torch.arange(900)
    twice, once = build("double_hash", 0.2, op=op), build("hash", 0.2)
    assert twice(ids).unique(dim=0).shape[0] > 840
    assert once(ids).unique(dim=0).shape[0] < 200


def test_double_hash_keeps_small_fields_whole():
    table = build("double_hash")
    small = slice(table.first.slots[0], table.first.slots[:2].sum())
    assert torch.equal(table(torch.arange(900, 907)), table.rows[small])


# -- hash embeddings ---------------------------------------------------------------------------
def test_hash_embeddings_weigh_rows_by_hand():
    table = build("hash_embeddings", 0.1, seed=3, hashes=3)
    own = len(table.weights)
    assert own < sum(ROWS)
    for x in (0, 905, 1206):
        weights = table.weights[hashed(3, 0, x, own)]
        rows = [table.rows[hashed(3, 1 + j, x, table.size)] for j in range(3)]
        by_hand = sum(w * row for w, row in zip(weights, rows, strict=True))
        torch.testing.assert_close(table(torch.tensor(x)), by_hand)


def test_hash_embeddings_give_each_id_its_weights_where_they_fit():
    table = build("hash_embeddings", 0.9)
    assert len(table.weights) == sum(ROWS)
    table(torch.tensor([5])).sum().backward()
    assert table.weights.grad.any(1).nonzero().tolist() == [[5]]


def test_hash_embeddings_split_the_bytes_as_asked():
    table = build("hash_embeddings", 0.2, weights=0.25)
    share = table.weights.numel() / (table.weights.numel() + table.rows.numel())
    assert share == pytest.approx(0.25, abs=0.01)


# -- QR ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("op", ["mul", "add", "concat"])
def test_qr_composes_quotient_and_remainder_rows(op):
    table = build("qr", 0.3, op=op, rows=(907, 300))
    modulus, base = digits(907, table.size / 1207, 2)
    modulus2, _ = digits(300, table.size / 1207, 2)
    remainders, quotients = table.parts
    for start, offset, other, m in ((0, 0, 0, modulus), (907, modulus, base, modulus2)):
        for x in (0, 1, m, 299):
            r, q = remainders[offset + x % m], quotients[other + x // m]
            expected = {"mul": r * q, "add": r + q, "concat": torch.cat([r, q])}[op]
            assert torch.equal(table(torch.tensor(start + x)), expected)


def test_qr_in_three_digits_by_hand():
    table = build("qr", 0.1, rows=(5000,), parts=3)
    m, b = digits(5000, table.size / 5000, 3)
    for x in (0, 777, 4999):
        first, second, third = table.parts
        by_hand = first[x % m] * second[x // m % b] * third[x // m // b]
        torch.testing.assert_close(table(torch.tensor(x)), by_hand)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(n=st.integers(1, 3000), ratio=st.floats(1e-4, 1), parts=st.integers(2, 4))
def test_qr_digits_tell_all_ids_apart(n, ratio, parts):
    modulus, base = digits(n, ratio, parts)
    ids = torch.arange(n)
    written, rest = [ids % modulus], ids // modulus
    for _ in range(parts - 1):
        written.append(rest % base)
        rest = rest // base
    assert not rest.any()
    assert torch.stack(written).unique(dim=1).shape[1] == n


@given(n=st.integers(1, 2**40), degree=st.integers(1, 4))
@settings(derandomize=True)
def test_root_is_the_smallest(n, degree):
    assert root(n, degree) ** degree >= n > (root(n, degree) - 1) ** degree


@pytest.mark.parametrize("rows", [(900, 4, 300), (4, 900, 300), (900, 300, 4)])
def test_qr_vectors_are_unique_and_small_fields_whole(rows):
    table = build("qr", 0.3, rows=rows)
    vectors = table(torch.arange(sum(rows))).split(rows)
    for of_field, n in zip(vectors, rows, strict=True):
        assert of_field.unique(dim=0).shape[0] == n
    assert torch.equal(vectors[rows.index(4)], table.rows)


def test_qr_with_room_for_all_is_an_embedding():
    table = build("qr", 1.2)
    assert torch.equal(table(torch.arange(sum(ROWS))), table.rows)


def test_qr_starts_centred_unlike_a_positive_uniform():
    vectors = build("qr", 0.3, op="add", rows=(9000,))(torch.arange(9000))
    assert abs(vectors.mean()) < 0.1 * vectors.std()


def test_qr_refuses_other_operations():
    with pytest.raises(StudyError, match="op of qr must be one of 'mul', 'add', 'concat'"):
        build("qr", op="xor")
    with pytest.raises(StudyError, match="parts of qr must be a whole number from 2 to 4"):
        build("qr", parts=1)


# -- MEmCom ------------------------------------------------------------------------------------
@pytest.mark.parametrize("bias", [False, True])
def test_memcom_scales_a_shared_row(bias):
    table = build("memcom", 0.5, bias=bias)
    torch.nn.init.normal_(table.scalars)
    slots = field_slots(ROWS, table.size, table.floor)
    for start, base, m in ((0, 0, slots[0]), (907, slots[0] + slots[1], slots[2])):
        for x in (0, 3, m, 299):
            scale, *shift = table.scalars[start + x]
            by_hand = table.rows[base + x % m] * scale + sum(shift)
            torch.testing.assert_close(table(torch.tensor(start + x)), by_hand)


def test_memcom_learns_to_tell_apart_ids_that_share_a_row():
    table = build("memcom", 0.3)
    m = table.slots[0].item()
    table(torch.tensor([1])).sum().backward()
    assert table.scalars.grad.any(1).nonzero().tolist() == [[1]]
    assert torch.equal(table(torch.tensor(1)), table(torch.tensor(1 + m)))  # until trained


# -- ROBE --------------------------------------------------------------------------------------
@pytest.mark.parametrize("z", [1, 3, 8])
@pytest.mark.parametrize("sign", [True, False])
def test_robe_addresses_and_signs_in_plain_integers(z, sign):
    table = build("robe", 0.1, seed=3, z=z, sign=sign)
    p, size = robe.PRIME, table.size
    a, b, c, d = (derive(3, "robe", "place", name) % p for name in "ABCD")
    e, f, g, h = (derive(3, "robe", "sign", name) % p for name in "ABCD")
    for field, start in ((0, 0), (1, 900), (2, 907)):
        for x in (0, 1, 6):
            for i, value in enumerate(table(torch.tensor(start + x))):
                place = (a * field + b * x + c * (i // z) + d) % p % size
                expected = table.array[(place + i % z) % size, 0]
                odd = (e * field + f * x + g * i + h) % p % 2
                assert value == (-expected if sign and odd else expected)


def test_robe_of_the_largest_ids_does_not_overflow():
    p = robe.PRIME
    field, local, column = 2**16, 2**31 - 2, 2**12
    constants = [p - 1, p - 2, p - 3, p - 4]
    value = robe._linear(constants, *map(torch.tensor, (field, local, [column])))
    a, b, c, d = constants
    assert value.tolist() == [(a * field + b * local + c * column + d) % p]


def test_robe_blocks_are_contiguous_and_wrap_around():
    table = build("robe", 0.02, z=8, sign=False)
    with torch.no_grad():
        table.array.copy_(torch.arange(table.size)[:, None])
    vectors = table(torch.arange(sum(ROWS)))
    assert set((vectors.diff() % table.size).flatten().tolist()) == {1}
    assert (vectors.diff() < 0).any()


@pytest.mark.parametrize("z", [3, 8])
def test_robe_gradients_carry_the_sign_to_the_place_that_was_read(z):
    table, ids = build("robe", 0.02, z=z), torch.arange(sum(ROWS)).repeat(2)
    weights = torch.randn(len(ids), 8, generator=torch.Generator().manual_seed(0))
    (table(ids) * weights).sum().backward()
    with torch.no_grad():  # what is read where: numbers that name their places, from 1
        values = table.array.clone()
        table.array.copy_(torch.arange(1.0, table.size + 1)[:, None])
        named = table(ids)
        table.array.copy_(values)
    place = named.abs().long().flatten() - 1
    expected = torch.zeros(table.size).index_add(0, place, (named.sign() * weights).flatten())
    assert torch.equal(table.array.grad[:, 0], expected)


def test_robe_signs_are_balanced():
    table = build("robe", 0.5)
    with torch.no_grad():
        table.array.fill_(1)
    assert table(torch.arange(sum(ROWS))).mean().abs() < 0.05


def test_robe_fills_its_budget_to_the_number():
    table, full = build("robe", 0.1), spec().full_bytes
    assert int(0.1 * full) - table.compact().bytes() < 16  # the header is a multiple of 8 bytes


# -- Unified Embedding -------------------------------------------------------------------------
@pytest.mark.parametrize("lookups", [1, 2, 3])
def test_unified_looks_up_one_table_by_hand(lookups):
    table = build("unified", 0.1, seed=3, lookups=lookups)
    assert table.rows.shape[1] == -(-8 // lookups)
    for x in (0, 905, 1206):
        rows = [table.rows[hashed(3, j, x, table.size)] for j in range(lookups)]
        assert torch.equal(table(torch.tensor(x)), torch.cat(rows)[:8])


def test_unified_fields_share_rows_but_not_the_hash_function():
    table = build("unified", 0.5, rows=(400, 400))
    slots = table.hashes[0](torch.arange(800), table.size).view(2, 400)
    assert (slots[0] == slots[1]).float().mean() < 0.02  # equal local ids
    assert (slots.diff() != slots.diff()[:, :1]).any()  # nor merely shifted
    assert set(slots[0].tolist()) & set(slots[1].tolist())


# -- frequency hashing -------------------------------------------------------------------------
def frequency_spec(shuffle=False):
    counts = torch.cat([1000 // (1 + torch.arange(n)) for n in ROWS])
    order = torch.randperm(900, generator=torch.Generator().manual_seed(0))
    counts[:900] = counts[:900][order] if shuffle else counts[:900]
    return TableSpec(ROWS, 8, counts)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("hashes", [1, 2])
def test_adapt_emb_rows_of_hot_ids_are_touched_by_no_other(shuffle, hashes):
    table_spec = frequency_spec(shuffle)
    table = METHODS["adapt_emb"].build(table_spec, table_spec.full_bytes // 5, 0, hashes=hashes)
    own = table.frequent.number
    eligible = [x for x in range(table_spec.rows) if x not in (0, 900, 907)]
    hot = sorted(eligible, key=lambda x: -table_spec.counts[x])[:own]
    cold = torch.tensor([x for x in range(table_spec.rows) if x not in hot])
    table(torch.tensor(hot)).sum().backward()
    assert torch.equal(table.rows.grad[:own], torch.ones(own, 8))
    assert not table.rows.grad[own:].any()
    table.zero_grad()
    table(cold).sum().backward()
    assert not table.rows.grad[:own].any()
    assert table.rows.grad.sum() == len(cold) * 8 * hashes


def test_adapt_emb_hashes_rare_ids_within_their_field():
    table_spec = frequency_spec()
    table = METHODS["adapt_emb"].build(table_spec, table_spec.full_bytes // 5, 3)
    m = field_slots(ROWS, table.size, 1)
    for start, base, slots, x in ((0, 0, m[0], 899), (907, m[0] + m[1], m[2], 299)):
        row = table.frequent.number + base + hashed(3, 0, start + x, slots)
        assert torch.equal(table(torch.tensor(start + x)), table.rows[row])


def test_adapt_emb_splits_rows_as_asked():
    table_spec = frequency_spec()
    table = METHODS["adapt_emb"].build(table_spec, table_spec.full_bytes // 5, 0, hot=0.8)
    assert table.frequent.number / len(table.rows) == pytest.approx(0.8, abs=0.02)
    with pytest.raises(
        StudyError, match="hot of adapt_emb must be a number between 0 and 1, not 1"
    ):
        METHODS["adapt_emb"].build(table_spec, table_spec.full_bytes // 5, 0, hot=1)
