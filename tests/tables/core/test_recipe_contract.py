"""What every method with a recipe of its own promises, from build to reloaded file."""

import pytest
import torch
from recipes import has_recipe, listed_methods, run_recipe, served, toy

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.sharing_rows.kmeans_rows import KMeansRows

METHODS = listed_methods() | {"kmeans_rows": KMeansRows}  # the latter for word tables alone
SEARCH = {"search_epochs": 1}
EVOLUTION = SEARCH | {"population": 4, "generations": 2}
# Name of the case -> method, options, share of the bytes of the toy table to train it at. A method
# with a recipe of its own that is not here is a case by its own name, with its defaults.
CASES = {
    "full": ("full", {}, 1.1),
    "full, two phases": ("full_two_phases", {}, 1.1),
    "fp16": ("half", {"dtype": "fp16"}, 0.6),
    "bf16": ("half", {"dtype": "bf16"}, 0.6),
    "int8": ("rowwise", {"bits": 8}, 0.5),
    "int4": ("rowwise", {"bits": 4}, 0.5),
    "int2": ("rowwise", {"bits": 2}, 0.5),
    "PQ": ("pq", {}, 0.5),
    "OPQ": ("pq", {"rotate": True}, 0.5),
    "INT8": ("low_precision", {"bits": 8}, 0.5),
    "INT16": ("low_precision", {"bits": 16}, 0.6),
    "ALPT": ("alpt", {}, 0.5),
    "DPQ-VQ": ("dpq", {}, 0.5),
    "DPQ-SX": ("dpq", {"mode": "sx"}, 0.5),
    "MGQE": ("mgqe", {}, 0.5),
    "SVD": ("svd", {}, 0.5),
    "weighted SVD": ("svd", {"weighted": True}, 0.5),
    "Dedup": ("dedup", {"block": 4}, 0.5),
    "CCE": ("cce", {"chunks": 2}, 0.6),
    "CAFE": ("cafe", {"threshold": 5.0}, 0.5),
    "MDE": ("mde", {}, 0.5),
    "AutoDim": ("autodim", SEARCH, 0.6),
    "DNIS": ("dnis", {}, 0.5),
    "AutoSrh": ("autosrh", {}, 0.5),
    "OptEmbed": ("optembed", EVOLUTION, 0.6),
    "OptEmbed-E": ("optembed_e", SEARCH, 0.6),
    "magnitude": ("magnitude", {}, 0.5),
    "DeepLight": ("deeplight", {}, 0.5),
    "PEP": ("pep", {"threshold_lr": 0.2}, 0.5),
    "AutoSrh sparse": ("autosrh_sparse", {}, 0.5),
}
CASES |= {
    name: (name, {}, 0.5)
    for name, table in METHODS.items()
    if has_recipe(table) and name not in {method for method, *_ in CASES.values()}
}
# Their plan says only whether a budget is feasible: a search finds their size, or, for CAFE, what
# is trained is larger than what is served.
SEARCHED = {case for case, (name, *_) in CASES.items() if METHODS[name].sized_in_training} | {
    "CAFE"
}
FILLED = SEARCHED - {"AutoDim", "OptEmbed", "OptEmbed-E", "CAFE"}  # these use what they are given
parametrised = pytest.mark.parametrize("case", CASES)
_TRAINED = {}


def trained(case, seed=0):
    """The trainer of a case after its recipe; each is run once for all tests."""
    if (case, seed) not in _TRAINED:
        name, options, share = CASES[case]
        _TRAINED[case, seed] = run_recipe(METHODS[name], share, seed, **options)
    return _TRAINED[case, seed]


def test_every_method_with_a_recipe_is_a_case():
    recipes = {name for name, table in METHODS.items() if has_recipe(table)}
    assert recipes <= {name for name, *_ in CASES.values()}


@parametrised
def test_it_learns_and_serves_equal_vectors_from_a_file_within_its_budget(case, tmp_path):
    trainer = trained(case)
    reloaded = served(trainer, tmp_path / "table.safetensors")
    assert trainer.valid_auc() > 0.6, "a table that knows nothing gives .5"
    assert not [name for name, _ in reloaded.named_parameters() if "grad" in name]
    assert sum(fit.epochs for fit in trainer.fits) > 0
    if case in FILLED:
        assert trainer.model.table.compact().bytes() > 0.85 * trainer.budget


@parametrised
def test_any_leading_shape(case):
    trainer = trained(case)
    table = trainer.model.table.eval()
    ids = trainer.data.test.ids[:12].view(2, 6, 3)
    vectors = table(ids)
    assert vectors.shape == (2, 6, 3, 8)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(table(ids[0, 0]), vectors[0, 0])
    torch.testing.assert_close(table(ids[0, 0, 0]), vectors[0, 0, 0])
    assert table(ids[:0]).shape == (0, 6, 3, 8)


@parametrised
def test_two_runs_are_equal_to_the_last_bit_and_another_seed_differs(case):
    name, options, share = CASES[case]
    first, again = trained(case), run_recipe(METHODS[name], share, 0, **options)
    other = trained(case, seed=1)
    ids = toy().test.ids
    vectors = [t.model.table.eval()(ids) for t in (first, again, other)]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


BUDGETS = {"1/2": 1 / 2, "1/10": 1 / 10, "1/100": 1 / 100}
ROWS = (944, 1683, 8, 3, 22, 400, 217, 25, 8)
SPEC = TableSpec(ROWS, 16, torch.cat([1 + 10_000 // (1 + torch.arange(n)) ** 2 for n in ROWS]))
# The least share of the budget that a method uses, where its sizes come in steps. By default .9, and
# a hundredth of the table is less than its smallest file.
USED = {
    "full": {"1/2": 0, "1/10": 0, "1/100": 0},  # it has no budget
    "full, two phases": {"1/2": 0, "1/10": 0, "1/100": 0},
    "kmeans_rows": {"1/100": None},  # the pointers alone are more
    "fp16": {"1/2": None, "1/10": None},  # header and payload are a little more than a half
    "bf16": {"1/2": None, "1/10": None},
    "int8": {"1/2": 0.6, "1/10": None},
    "int4": {"1/2": 0.35, "1/10": None},
    "int2": {"1/2": 0.2, "1/10": None},
    "PQ": {"1/2": 0.4, "1/10": 0.7, "1/100": None},
    "OPQ": {"1/2": 0.4, "1/10": 0.7, "1/100": None},
    "INT8": {"1/2": 0.5, "1/10": None},
    "INT16": {"1/2": None, "1/10": None},
    "ALPT": {"1/2": 0.6, "1/10": None},
    "DPQ-VQ": {"1/2": 0.3, "1/10": 0.7, "1/100": None},
    "DPQ-SX": {"1/2": 0.3, "1/10": 0.7, "1/100": None},
    "MGQE": {"1/2": 0.3, "1/10": 0.7, "1/100": None},
    "SVD": {"1/2": 0.87, "1/10": 0.6, "1/100": None},
    "weighted SVD": {"1/2": 0.87, "1/10": 0.6, "1/100": None},
    "Dedup": {"1/100": None},  # of blocks of four rows, the map alone is more
    "CCE": {"1/10": 0.8},
    "MDE": {"1/2": 0.8, "1/10": 0.5},
    **{key: {"1/100": 0} for key in SEARCHED},
    "AutoDim": {"1/10": None, "1/100": None},  # two dimensions everywhere are an eighth
    "AutoSrh": {"1/100": None},
}


@pytest.mark.parametrize("budget", BUDGETS)
@parametrised
def test_a_plan_meets_its_budget_and_uses_it_or_is_not_feasible(case, budget):
    name, options, _ = CASES[case]
    size = int(BUDGETS[budget] * SPEC.full_bytes)
    least = USED.get(case, {}).get(budget, None if budget == "1/100" else 0.9)
    if least is None:
        with pytest.raises(InfeasibleBudget, match=r"[\d,]+ bytes"):
            METHODS[name].build(SPEC, size, 0, **options)
        return
    table = METHODS[name].build(SPEC, size, 0, **options)
    if case in SEARCHED:
        return
    # What is trained may be larger than what it is turned into.
    table = table.coded() if hasattr(table, "coded") else table
    assert least * size <= table.compact().bytes()
    assert "full" in case or table.compact().bytes() <= size


@parametrised
def test_what_is_saved_before_its_recipe_is_within_the_budget_or_refused(case, tmp_path):
    name, options, share = CASES[case]
    budget = int(max(share, 0.6) * SPEC.full_bytes)
    table = METHODS[name].build(SPEC, budget, 0, **options)
    if table.sized_in_training:
        with pytest.raises(StudyError, match=f"{name} finds the sizes .* run its recipe"):
            table.compact()
        return
    compact = table.train().compact()
    assert "full" in case or compact.bytes() <= budget
    assert table.training, "saving changes no mode"
    artefact.save(compact, tmp_path / "table.safetensors")
    vectors = artefact.load(tmp_path / "table.safetensors")(torch.arange(SPEC.rows))
    assert torch.equal(vectors, table.eval()(torch.arange(SPEC.rows)))


@pytest.mark.parametrize("name", METHODS)
def test_unknown_options_are_named(name):
    with pytest.raises(StudyError, match=f"{name} has no option colour"):
        METHODS[name].build(SPEC, 10**6, 0, colour="red")


@pytest.mark.parametrize("dim", [1, 5, 17])
@parametrised
def test_a_row_of_any_length_can_be_built(case, dim):
    name, options, _ = CASES[case]
    spec = TableSpec((300, 40), dim, torch.cat([1000 // (1 + torch.arange(n)) for n in (300, 40)]))
    table = METHODS[name].build(spec, 2 * spec.full_bytes + 4000, 0, **options)
    assert table.eval()(torch.arange(340)).shape == (340, dim)
