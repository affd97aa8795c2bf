"""The truncated SVD is the optimum that Eckart and Young, and Hsu et al., say it is."""

import pytest
import torch

from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.generated_rows.svd import SVD


@pytest.fixture
def weight():
    rng = torch.Generator().manual_seed(0)
    return torch.randn(400, 8, generator=rng) @ torch.randn(8, 8, generator=rng)


COUNTS = 10_000 // (1 + torch.arange(400)) ** 2


def compressed(weight, weighted, share=0.4):
    spec = TableSpec((400,), 8, COUNTS)
    return SVD.compress(weight, spec, int(share * spec.full_bytes), 0, weighted=weighted)


def error(table, weight, importance):
    lost = (table(torch.arange(400)) - weight).double()
    return (importance * lost.square().sum(1)).sum().item()


def test_the_error_is_the_sum_of_the_squared_singular_values_left_out(weight):
    table = compressed(weight, weighted=False)
    left_out = torch.linalg.svdvals(weight.double())[table.rank :]
    assert error(table, weight, torch.ones(400)) == pytest.approx(
        left_out.square().sum().item(), rel=1e-4
    )


def test_the_weighted_form_reaches_the_optimum_of_the_weighted_error(weight):
    importance = COUNTS.double().clamp(min=0.5)
    plain, weighted = (compressed(weight, flag) for flag in (False, True))
    left_out = torch.linalg.svdvals(weight.double() * importance.sqrt().unsqueeze(1))
    best = left_out[weighted.rank :].square().sum().item()
    assert error(weighted, weight, importance) == pytest.approx(best, rel=1e-3)
    assert error(plain, weight, importance) > 1.05 * best
    assert error(plain, weight, torch.ones(400)) < error(weighted, weight, torch.ones(400))


def test_full_rank_gives_the_weight_back(weight):
    table = compressed(weight, weighted=True, share=1.2)
    assert table.rank == 8
    torch.testing.assert_close(table(torch.arange(400)), weight, atol=1e-5, rtol=1e-5)
