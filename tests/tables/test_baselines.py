"""Each baseline against its definition."""

import torch
from torch import nn

from embedstudy.tables.base import TableSpec
from embedstudy.tables.baselines import METHODS

ROWS = (50, 7, 30)


def spec(dim=8, counts=None):
    return TableSpec(ROWS, dim, torch.ones(sum(ROWS)) if counts is None else counts)


def test_full_is_an_embedding_in_values_and_gradients():
    table = METHODS["full"].build(spec(), 0, 0)
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
