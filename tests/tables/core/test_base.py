"""What every table promises as it is built, for every method that is trained as it stands.

Methods with a recipe of their own are in ``test_recipe_contract``.
"""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import has_recipe, listed_methods

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core.artefact import save
from embedstudy.tables.core.base import Table, TableSpec, check, largest, planned_bytes
from embedstudy.tables.reference.full import Full

METHODS = {n: table for n, table in listed_methods().items() if not has_recipe(table)}
METHODS = {"full": Full} | METHODS
# Settings of a method to test; one that is not here is tested as it is by default.
VARIANTS = {
    "double_hash": [{}, {"op": "concat"}],
    "hash_embeddings": [{}, {"hashes": 3, "weights": 0.25}],
    "qr": [{}, {"op": "add"}, {"op": "concat"}, {"parts": 3}, {"op": "concat", "parts": 3}],
    "memcom": [{}, {"bias": True}],
    "robe": [{}, {"z": 1}, {"z": 5, "sign": False}],
    "unified": [{}, {"lookups": 4}],
    "adapt_emb": [{}, {"hot": 0.2, "hashes": 2}],
    "dhe": [{}, {"codes": "normal", "layers": 2}],
}
CASES = {
    " ".join([name, *(f"{k}={v}" for k, v in options.items())]): (name, options)
    for name in METHODS
    for options in VARIANTS.get(name, [{}])
}
BUDGETS = {"1/2": 1 / 2, "1/10": 1 / 10, "1/100": 1 / 100}
# Budgets below the floor of a method, on a table as small as this.
INFEASIBLE = {
    "small_dim": ["1/100"],
    "low_rank": ["1/100"],
    "memcom": ["1/100"],
    "memcom bias=True": ["1/10", "1/100"],
    "mde": ["1/100"],
} | {case: ["1/100"] for case in CASES if case.startswith("qr")}
# The least share of the budget that is used, where the method's steps leave less than 90 %.
COARSE = {
    "small_dim": {"1/2": 0.87, "1/10": 0.63},  # steps of 1/16 of the table
    "low_rank": {"1/2": 0.88, "1/10": 0.64},
    "tt_rec": {"1/100": 0.89},  # the header is a quarter of so few bytes
    "qr op=concat parts=3": {"1/2": 0.75},  # an id of its own has a third of the columns at most
}


def skewed_spec(rows=(944, 1683, 8, 3, 22, 400, 217, 25, 8), dim=16, std=0.01):
    """Fields as in MovieLens-100K; ids by descending frequency, as in prepared data."""
    counts = torch.cat([1 + 10_000 // (1 + torch.arange(n)) ** 2 for n in rows])
    return TableSpec(tuple(rows), dim, counts, std)


SPEC = skewed_spec()
parametrised = pytest.mark.parametrize("case", CASES)


def build(case, share=0.5, seed=0, spec=SPEC):
    name, options = CASES[case]
    return METHODS[name].build(spec, int(share * spec.full_bytes), seed, **options).eval()


def test_every_method_that_is_trained_as_it_stands_is_a_case():
    plain = {name for name, table in listed_methods().items() if not has_recipe(table)}
    assert plain | {"full"} == {name for name, _ in CASES.values()}


@pytest.mark.parametrize("budget", BUDGETS)
@parametrised
def test_budget_is_met_and_used(case, budget):
    if case == "full":  # the reference: payload and header, whatever the budget
        assert 0 < build(case, BUDGETS[budget]).compact().bytes() - SPEC.full_bytes < 500
        return
    if budget in INFEASIBLE.get(case, []):
        with pytest.raises(InfeasibleBudget, match=r"needs at least [\d,]+ bytes"):
            build(case, BUDGETS[budget])
        return
    used = build(case, BUDGETS[budget]).compact().bytes()
    share = used / int(BUDGETS[budget] * SPEC.full_bytes)
    assert COARSE.get(case, {}).get(budget, 0.9) <= share <= 1


@parametrised
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    dim=st.sampled_from([1, 2, 3, 16, 17]),
    share=st.floats(0.001, 1.0),
)
def test_any_table_within_budget_or_infeasible(case, rows, dim, share):
    spec = skewed_spec(tuple(rows), dim)
    try:
        table = build(case, share, spec=spec)
    except InfeasibleBudget:
        return
    except StudyError:  # more look-ups, larger blocks or more parts than columns
        assert dim < CASES[case][1].get("z", 4)
        return
    assert case == "full" or table.compact().bytes() <= share * spec.full_bytes
    vectors = table(torch.arange(spec.rows))
    assert vectors.shape == (spec.rows, dim)
    assert vectors.isfinite().all()


@parametrised
def test_any_leading_shape(case):
    table = build(case)
    ids = torch.randint(0, SPEC.rows, (4, 3, 9), generator=torch.Generator().manual_seed(0))
    vectors = table(ids)
    assert vectors.shape == (4, 3, 9, 16)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(table(ids[0]), vectors[0])
    torch.testing.assert_close(table(ids[0, 0, 0]), vectors[0, 0, 0])
    assert table(ids[:0]).shape == (0, 3, 9, 16)


@parametrised
def test_same_seed_same_table_other_seed_another(case):
    ids = torch.arange(SPEC.rows)
    first, again, other = (build(case, seed=s)(ids) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("std", [0.01, 0.0001])
@parametrised
def test_vectors_start_centred_with_the_wanted_deviation(case, std):
    spec = skewed_spec((300, 200, 20), std=std)
    ids = torch.arange(spec.rows)
    vectors = torch.cat([build(case, seed=seed, spec=spec)(ids) for seed in range(60)])
    vectors = vectors[:, (vectors != 0).any(0)]  # the columns that are there
    assert vectors.mean().item() == pytest.approx(0, abs=0.1 * std)
    assert vectors.std().item() == pytest.approx(std, rel=0.1)


@parametrised
def test_gradients_reach_every_parameter(case):
    table = build(case)
    table(torch.arange(SPEC.rows)).square().sum().backward()
    for parameter in table.parameters():
        assert (parameter.grad != 0).float().mean() > 0.6, "a few slots are hit by no id"


@parametrised
def test_planned_bytes_hold_no_surprise(case):
    table = build(case)
    assert planned_bytes(type(table), table.config()) == table.compact().bytes()


# -- weight decay of factors -----------------------------------------------------------------------
# The parameters that multiply others, by method, and which decay alone by default.
FACTORS = {
    "low_rank": "directions",
    "hash_embeddings": "weights",
    "memcom": "scalars",
    "qr": "parts.",
    "tt_rec": "cores.",
    "dhe": "",  # the whole network
    "mde": "projections.",
}


def kept_without_gradient(name, common, **options):
    """Names of the parameters that a step of Adam on zero gradients leaves alone, and others."""
    table = METHODS[name].build(SPEC, SPEC.full_bytes // 2, 0, **options)
    for parameter in table.parameters():
        torch.nn.init.ones_(parameter)  # zeros would show no decay
        parameter.grad = torch.zeros_like(parameter)
    before = {key: p.detach().clone() for key, p in table.named_parameters()}
    torch.optim.Adam(table.parameter_groups(), 1e-3, weight_decay=common).step()
    kept = {key for key, p in table.named_parameters() if torch.equal(p, before[key])}
    return kept, set(before) - kept


def test_every_method_with_factors_has_their_decay_as_an_option():
    for name, table in listed_methods().items():
        has_factors = table.factors is not Table.factors
        assert has_factors == ("factor_l2" in table.options()), name
        assert has_factors == (name in {*FACTORS, "autodim"}), name


@pytest.mark.parametrize("name", FACTORS)
def test_factors_decay_as_asked_and_rows_as_all_rows(name):
    def is_factor(key):
        return key.startswith(FACTORS[name])

    kept, shrunk = kept_without_gradient(name, 0.1, factor_l2=0.0)
    assert kept
    assert all(map(is_factor, kept))
    assert not any(map(is_factor, shrunk))
    assert bool(shrunk) == (name != "dhe")
    kept, shrunk = kept_without_gradient(name, 0.1, factor_l2=None)
    assert not kept, "None: as everything else"
    kept, shrunk = kept_without_gradient(name, 0.0, factor_l2=0.1)
    assert shrunk
    assert all(map(is_factor, shrunk))
    assert not any(map(is_factor, kept))


@pytest.mark.parametrize("name", FACTORS)
def test_the_decay_of_factors_is_no_part_of_the_file(name):
    budget = SPEC.full_bytes // 2
    tables = [METHODS[name].build(SPEC, budget, 0, factor_l2=l2) for l2 in (None, 0.0, 1e-5)]
    headers = {str(table.compact().header()) for table in tables}
    assert len(headers) == 1
    assert "factor_l2" not in headers.pop()


def test_only_products_have_factors():
    kept, shrunk = kept_without_gradient("qr", 0.1, op="add", factor_l2=0.0)
    assert not kept
    assert shrunk


@pytest.mark.parametrize("value", [-1, "none", True, float("nan"), float("inf")])
def test_a_decay_that_is_none_is_refused(value):
    with pytest.raises(StudyError, match="factor_l2 of low_rank must be a number of at least 0"):
        METHODS["low_rank"].build(SPEC, SPEC.full_bytes // 2, 0, factor_l2=value)


SERVE = """
import sys, pathlib, torch
torch.set_num_threads(1)  # as here: matrix products depend on it
from embedstudy.tables.core.artefact import load
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.safetensors")):
    torch.save(load(path)(torch.load(sys.argv[2])), path.with_suffix(".pt"))
assert not [m for m in sys.modules if m.startswith(("embedstudy.study", "embedstudy.sources"))]
"""


def test_saved_tables_serve_equal_vectors_in_a_fresh_process(tmp_path):
    ids = torch.randint(0, SPEC.rows, (50, 9), generator=torch.Generator().manual_seed(1))
    torch.save(ids, tmp_path / "ids")
    expected = []
    for number, case in enumerate(CASES):
        table = build(case, seed=number)
        size = save(table.compact(), tmp_path / f"{number:03}.safetensors")
        assert size == table.compact().bytes()
        expected.append(table(ids))
    subprocess.run([sys.executable, "-c", SERVE, tmp_path, tmp_path / "ids"], check=True)
    for number, vectors in enumerate(expected):
        served = torch.load(tmp_path / f"{number:03}.pt")
        assert torch.equal(served, vectors), list(CASES)[number]


@pytest.mark.parametrize("name", METHODS)
def test_unknown_options_are_named(name):
    with pytest.raises(StudyError, match=f"{name} has no option colour"):
        METHODS[name].build(SPEC, 10**6, 0, colour="red")


def test_options_lists_names_and_defaults():
    assert METHODS["unified"].options() == {"lookups": 1}
    assert METHODS["full"].options() == {}


@pytest.mark.parametrize(
    ("value", "allowed", "text"),
    [
        (0, range(1, 9), "a whole number from 1 to 8, not 0"),
        (True, range(1, 9), "a whole number from 1 to 8, not True"),
        (2.0, range(1, 9), "a whole number from 1 to 8, not 2.0"),
        ("xor", ("mul", "add"), "one of 'mul', 'add', not 'xor'"),
        (1, (True, False), "one of True, False, not 1"),
    ],
)
def test_check_says_what_is_allowed(value, allowed, text):
    with pytest.raises(StudyError, match=text):
        check("qr", "op", value, allowed)


@pytest.mark.parametrize("rows", [(), (3, 0)])
def test_a_spec_without_rows_is_refused(rows):
    with pytest.raises(StudyError, match="at least one row"):
        TableSpec(rows, 4, torch.ones(sum(rows)))


def test_counts_of_the_wrong_length_are_refused():
    with pytest.raises(StudyError, match=r"expected shape \(5,\), got \(4,\)"):
        TableSpec((2, 3), 4, torch.ones(4))


def test_ids_are_split_into_field_and_index():
    table = build("full", spec=skewed_spec((2, 1, 4)))
    field, local = table.local(torch.arange(7).view(7, 1))
    assert field.flatten().tolist() == [0, 0, 1, 2, 2, 2, 2]
    assert local.flatten().tolist() == [0, 1, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("budget", range(1000, 1200, 17))
def test_largest_is_the_largest(budget):
    table = METHODS["small_dim"]
    config = lambda kept: {"field_rows": [9], "dim": 99, "kept": kept}  # noqa: E731
    kept = largest(table, budget, config, 1, 99)["kept"]
    assert planned_bytes(table, config(kept)) <= budget < planned_bytes(table, config(kept + 1))
