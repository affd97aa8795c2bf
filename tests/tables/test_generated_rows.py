"""TT-Rec and DHE against their definitions."""

import math

import pytest
import torch
import torch.nn.functional as F

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.core.seeding import derive
from embedstudy.tables.core.artefact import load, save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.hashing import PRIME
from embedstudy.tables.generated_rows.dhe import Mish
from embedstudy.tables.generated_rows.methods import METHODS
from embedstudy.tables.generated_rows.tt_rec import column_factors, row_factors

torch.set_num_threads(1)
ROWS = (944, 1683, 8, 3, 22, 400, 217, 25, 8)
CASES = [("tt_rec", {}), ("dhe", {}), ("dhe", {"codes": "normal", "layers": 2})]
parametrised = pytest.mark.parametrize(("name", "options"), CASES)


def spec(rows=ROWS, dim=16):
    return TableSpec(tuple(rows), dim, torch.ones(sum(rows)))


def build(name, share=0.5, seed=0, rows=ROWS, dim=16, **options):
    table_spec = spec(rows, dim)
    return (
        METHODS[name].build(table_spec, int(share * table_spec.full_bytes), seed, **options).eval()
    )


@parametrised
def test_a_budget_below_the_smallest_is_infeasible(name, options):
    with pytest.raises(InfeasibleBudget, match="needs at least"):
        METHODS[name].build(spec(), 500, 0, **options)


@parametrised
def test_saved_table_serves_equal_vectors(name, options, tmp_path):
    table = build(name, **options).train()
    table(torch.arange(sum(ROWS))).square().sum().backward()  # moves running statistics
    for parameter in table.parameters():
        assert (parameter.grad != 0).float().mean() > 0.6
    size = save(table.compact(), tmp_path / "table.safetensors")
    assert size == table.compact().bytes()
    ids = torch.randint(0, sum(ROWS), (50, 9))
    assert torch.equal(load(tmp_path / "table.safetensors")(ids), table.eval()(ids))


# -- TT-Rec ------------------------------------------------------------------------------------
@pytest.mark.parametrize("dim", [16, 7])
def test_tt_rec_is_the_product_of_its_cores(dim):
    table = build("tt_rec", 0.3, rows=(900, 2, 600), dim=dim)
    (r1, r2), (q1, q2, q3) = table.ranks, column_factors(dim)
    sizes = [row_factors(900), row_factors(600)]
    for start, train, x in ((0, 0, 0), (0, 0, 777), (902, 1, 0), (902, 1, 599)):
        n1, n2, n3 = sizes[train]
        i1, i2, i3 = x // (n2 * n3), x // n3 % n2, x % n3
        assert i1 < n1
        before = [train * m for m in sizes[0]]
        a, b, c = (
            core[base + i].tolist()
            for core, base, i in zip(table.cores, before, (i1, i2, i3), strict=True)
        )
        by_hand = [
            sum(
                a[u * r1 + s] * b[(s * q2 + v) * r2 + t] * c[t * q3 + w]
                for s in range(r1)
                for t in range(r2)
            )
            for u in range(q1)
            for v in range(q2)
            for w in range(q3)
        ]
        torch.testing.assert_close(table(torch.tensor(start + x)), torch.tensor(by_hand[:dim]))
    assert torch.equal(table(torch.tensor([900, 901])), table.rows)


def test_tt_rec_tells_all_ids_apart():
    table = build("tt_rec", 0.1, rows=(900, 600))
    assert table(torch.arange(1500)).unique(dim=0).shape[0] == 1500


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 1683, 10**7])
def test_row_factors_cover_and_are_near_equal(n):
    factors = row_factors(n)
    assert n <= math.prod(factors)
    assert sum(factors) <= 3 * math.ceil(round(n ** (1 / 3), 6))


def test_column_factors():
    actual = [column_factors(d) for d in (1, 7, 16, 17, 64)]
    assert actual == [(1, 1, 1), (2, 2, 2), (2, 2, 4), (2, 3, 3), (4, 4, 4)]


@pytest.mark.parametrize(("rows", "share"), [((900, 2, 600), 0.3), ((900, 600), 0.3), ((2, 3), 20)])
def test_tt_rec_of_distinct_ids_is_that_of_all_in_vectors_and_gradients(rows, share):
    table, rng = build("tt_rec", share, rows=rows), torch.Generator().manual_seed(0)
    ids = torch.randint(0, sum(rows), (40, 7), generator=rng).square() % sum(rows)
    weights = torch.randn(40, 7, 16, generator=rng)
    plain = table.vectors(ids.flatten()).view(40, 7, 16)
    assert torch.equal(table(ids), plain)
    gradients = [
        torch.autograd.grad((vectors * weights).sum(), list(table.parameters()))
        for vectors in (table(ids), plain)
    ]
    for actual, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)


# -- DHE ---------------------------------------------------------------------------------------
def hashed(seed, j, x):
    a = 1 + derive(seed, "dhe", "a", j) % (PRIME - 1)
    return (a * x + derive(seed, "dhe", "b", j) % PRIME) % PRIME % 10**6


def test_dhe_codes_are_uniform_and_in_range_even_for_large_ids():
    table = build("dhe", hashes=32)
    for ids in (torch.arange(0, 10**6, 97), PRIME - 1 - torch.arange(10_000)):
        codes = table.code(ids)
        assert codes.abs().max() <= 1
        assert codes.mean().item() == pytest.approx(0, abs=0.02)
        assert codes.std().item() == pytest.approx(3**-0.5, abs=0.02)


@pytest.mark.parametrize("x", [0, 1, 2151, 10**6, PRIME - 1])
def test_dhe_codes_in_plain_integers(x):
    codes = build("dhe", seed=3, hashes=6).code(torch.tensor([x]))[0]
    by_hand = [2 * hashed(3, j, x) / (10**6 - 1) - 1 for j in range(6)]
    torch.testing.assert_close(codes, torch.tensor(by_hand))


def test_dhe_normal_codes_are_normal():
    codes = build("dhe", hashes=32, codes="normal").code(torch.arange(0, 10**6, 97))
    assert codes.mean().item() == pytest.approx(0, abs=0.03)
    assert codes.std().item() == pytest.approx(1, abs=0.03)


def test_dhe_is_its_network_by_hand():
    table = build("dhe", 0.3, layers=3)
    ids = torch.tensor([5, 0, 5, 3000])
    x = table.code(ids)
    for i, weight in enumerate([table.first, *table.deep]):
        x = (x @ weight.T - table.mean[i]) / (table.var[i] + 1e-5).sqrt()
        x = x * table.scale[i] + table.shift[i]
        x = x * F.softplus(x).tanh()
    torch.testing.assert_close(table(ids), x @ table.last.T + table.bias, atol=1e-6, rtol=1e-4)


def test_mish_is_that_of_the_library_in_values_and_gradients():
    x = torch.cat([torch.linspace(-30, 30, 2001), torch.tensor([-1e4, 0.0, 1e4])])
    x = x.requires_grad_()
    for actual, expected in [
        (Mish.apply(x), F.mish(x)),
        (torch.autograd.grad(f(x).sum(), x)[0] for f in (Mish.apply, F.mish)),
    ]:
        torch.testing.assert_close(actual, expected, atol=1e-7, rtol=1e-5)
    assert torch.autograd.gradcheck(Mish.apply, torch.randn(50).double().requires_grad_())


def test_dhe_batch_statistics_count_distinct_ids_once():
    one, many = build("dhe").train(), build("dhe").train()
    one(torch.tensor([1, 2, 3]))
    many(torch.tensor([1, 2, 3, 3, 3]))
    assert torch.equal(one.mean, many.mean)
    before = one.mean.clone()
    one(torch.tensor([7, 7]))
    assert torch.equal(one.mean, before)


def test_dhe_options_are_validated():
    for options in ({"codes": "binary"}, {"layers": 0}, {"hashes": 0}):
        with pytest.raises(StudyError, match=f"option {next(iter(options))} of dhe"):
            build("dhe", **options)
    with pytest.raises(StudyError, match="must be even"):
        build("dhe", hashes=7, codes="normal")


@pytest.mark.parametrize("name", ["tt_rec", "dhe"])
def test_weight_decay_on_rows_does_not_reach_what_generates_them(name):
    table = build(name)
    decayed = [p for g in table.parameter_groups() if "weight_decay" not in g for p in g["params"]]
    grouped = [p for g in table.parameter_groups() for p in g["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in table.parameters()}
    assert {id(p) for p in decayed} <= {id(getattr(table, "rows", None))}


def test_a_network_kept_small_by_its_options_says_that_it_is_no_test_of_its_budget():
    small, whole = build("dhe", hashes=16, most_width=16), build("dhe")
    assert small.compact().bytes() < 0.1 * whole.compact().bytes()
    assert "than its options most_width and hashes allow is not tried" in small.why_less
