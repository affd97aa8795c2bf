"""Each baseline against its definition."""

import pytest
import torch
from torch import nn

from embedstudy.tables.baselines.methods import METHODS
from embedstudy.tables.core.base import TableSpec, planned_bytes
from embedstudy.tables.core.frequency import most_frequent, ordered
from embedstudy.tables.reference.full import Full

ROWS = (50, 7, 30)


def spec(dim=8, counts=None):
    return TableSpec(ROWS, dim, torch.ones(sum(ROWS)) if counts is None else counts)


def test_full_is_an_embedding_in_values_and_gradients():
    table = Full.build(spec(), 0, 0)
    plain = nn.Embedding.from_pretrained(table.rows.detach().clone(), freeze=False)
    ids = torch.randint(0, 87, (40, 3))
    assert torch.equal(table(ids), plain(ids))
    weights = torch.randn(40, 3, 8)
    for module in (table, plain):
        (module(ids) * weights).sum().backward()
    assert torch.equal(table.rows.grad, plain.weight.grad)


def test_small_dim_keeps_the_first_columns_and_pads_with_zeros():
    table = METHODS["small_dim"].build(spec(), spec().full_bytes // 2 + 300, 0)
    vectors = table(torch.arange(87))
    assert table.kept == 4
    assert torch.equal(vectors[:, :4], table.rows)
    assert not vectors[:, 4:].any()


def test_low_rank_is_a_product_of_small_factors():
    table = METHODS["low_rank"].build(spec(), spec().full_bytes // 2 + 300, 0)
    assert table.rank == 3
    vectors = table(torch.arange(87))
    for x in (0, 50, 86):
        by_hand = sum(table.rows[x, j] * table.directions[j] for j in range(3))
        torch.testing.assert_close(vectors[x], by_hand)
    assert torch.linalg.matrix_rank(vectors) == 3


def descending():
    """Frequencies that fall from the second id of each field on, with ties."""
    return torch.cat([torch.cat([torch.tensor([5]), 60 - torch.arange(n - 1) // 2]) for n in ROWS])


def shuffled():
    """The same frequencies, in no order."""
    order = [torch.randperm(n, generator=torch.Generator().manual_seed(n)) for n in ROWS]
    parts = zip(descending().split(ROWS), order, strict=True)
    return torch.cat([counts[by] for counts, by in parts])


@pytest.mark.parametrize("counts", [descending(), shuffled()], ids=["ordered", "shuffled"])
def test_min_count_gives_rows_to_the_most_frequent_and_one_to_the_rest(counts):
    table = METHODS["min_count"].build(spec(8, counts), 2000, 0)
    rows = [v.unique(dim=0, return_inverse=True)[1] for v in table(torch.arange(87)).split(ROWS)]
    least_kept, most_dropped, kept = 10**9, 0, 0
    for inverse, frequency in zip(rows, counts.split(ROWS), strict=True):
        alone = inverse != inverse[0]  # does not read the out-of-vocabulary row
        assert inverse[alone].unique().numel() == alone.sum()
        least_kept = min([least_kept, *frequency[alone].tolist()])
        most_dropped = max([most_dropped, *frequency[1:][~alone[1:]].tolist()])
        kept += int(alone.sum())
    assert kept == len(table.rows) - 3
    assert kept > 30
    assert least_kept >= most_dropped > 0


def test_min_count_keeps_fields_apart():
    table = METHODS["min_count"].build(spec(8, descending()), 700, 0)
    firsts = table(torch.tensor([0, 50, 57]))
    assert firsts.unique(dim=0).shape[0] == 3


def test_min_count_pays_for_the_map_it_needs():
    tables = [METHODS["min_count"].build(spec(8, c), 2000, 0) for c in (descending(), shuffled())]
    assert "frequent.keys" not in tables[0].compact().tensors
    keys = tables[1].compact().tensors["frequent.keys"]
    assert keys.dtype == torch.int32
    assert len(keys) == len(tables[1].rows) - 3 < len(tables[0].rows) - 3
    assert tables[1].compact().bytes() > 1800


def test_min_count_with_room_for_all_is_an_embedding():
    table = METHODS["min_count"].build(spec(8, descending()), 10**6, 0)
    assert table(torch.arange(87)).unique(dim=0).shape[0] == 87


@pytest.mark.parametrize("counts", [descending(), shuffled()], ids=["ordered", "shuffled"])
def test_min_count_without_room_for_any_serves_first_rows(counts):
    table_spec, cls = spec(8, counts), METHODS["min_count"]
    config = cls.plan(table_spec, 500, 0)
    smallest = planned_bytes(cls, config | {"kept": [0, 0, 0] if ordered(table_spec) else 0})
    table = cls.build(table_spec, smallest, 0)
    assert len(table.rows) == 3
    assert torch.equal(table(torch.tensor([49, 56, 86])), table.rows)


def test_order_by_frequency_is_recognised():
    assert ordered(spec(8, descending()))
    assert not ordered(spec(8, shuffled()))
    counts = torch.tensor([0, 9, 9, 2, 0, 5])
    table_spec = TableSpec((4, 2), 8, counts)
    assert ordered(table_spec)  # the first id of a field may have any frequency
    assert most_frequent(table_spec).tolist() == [1, 2, 5, 3]
