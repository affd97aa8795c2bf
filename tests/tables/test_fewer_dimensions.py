"""Dimensions by rule and by search, against values computed by hand."""

import itertools

import pytest
import torch
from recipes import ROWS, run_recipe, toy

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core.base import TableSpec, lookup, planned_bytes
from embedstudy.tables.fewer_dimensions import autodim as autodim_module
from embedstudy.tables.fewer_dimensions.autodim import AutoDim, likeliest, mixed_bytes
from embedstudy.tables.fewer_dimensions.autosrh import AutoSrh
from embedstudy.tables.fewer_dimensions.blocks import BlockTable, frequency_bounds
from embedstudy.tables.fewer_dimensions.dnis import DNIS
from embedstudy.tables.fewer_dimensions.evolution import Evolution, crossover
from embedstudy.tables.fewer_dimensions.kept_rows import KeptRows
from embedstudy.tables.fewer_dimensions.mde import MDE, field_dims
from embedstudy.tables.fewer_dimensions.methods import METHODS
from embedstudy.tables.fewer_dimensions.mixed import MixedTable
from embedstudy.tables.fewer_dimensions.optembed import BinaryStep, OptEmbed
from embedstudy.tables.fewer_dimensions.soft_selection import cut_to_fit
from embedstudy.tables.fewer_nonzeros.autosrh import AutoSrhSparse
from embedstudy.tables.fewer_nonzeros.optembed_e import OptEmbedE
from embedstudy.tables.reference.full import Full

# The 26 categorical fields of Criteo Kaggle, as published with DLRM.
CRITEO = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992,
    5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)  # fmt: skip


def spec_of(field_rows, dim=8):
    counts = torch.cat([1 + 1000 // (1 + torch.arange(n)) for n in field_rows])
    return TableSpec(tuple(field_rows), dim, counts, 0.05)


# -- mixed dimensions ----------------------------------------------------------------------------------
def test_a_mixed_table_is_a_row_times_the_projection_of_its_field():
    table = MixedTable([5, 4, 6, 3], 8, [2, 8, 2, 0])
    table.reset(spec_of([5, 4, 6, 3]), torch.Generator().manual_seed(0))
    two, eight = table.rows
    assert [tuple(p.shape) for p in (two, eight, *table.projections)] == [
        (11, 2), (4, 8), (2, 2, 8)]  # fmt: skip
    vectors = table(torch.arange(18))
    torch.testing.assert_close(vectors[3], two[3] @ table.projections[0][0])
    torch.testing.assert_close(vectors[9 + 2], two[5 + 2] @ table.projections[0][1])
    torch.testing.assert_close(vectors[5 + 1], eight[1])
    assert not vectors[15:].any()


def test_a_mixed_table_of_full_dimensions_is_an_embedding():
    table = MixedTable([5, 4], 8, [8, 8])
    assert [n for n, _ in table.named_parameters()] == ["rows.0"]
    table.reset(spec_of([5, 4]), torch.Generator().manual_seed(0))
    assert torch.equal(table(torch.arange(9)), table.rows[0])
    with pytest.raises(StudyError, match="one dimension from 0 to 8 a field"):
        MixedTable([5, 4], 8, [9, 1])


def test_mde_follows_the_power_law_by_hand():
    assert field_dims((4, 100, 10_000), 16, 0.3, "nearest") == [16, 6, 2]
    assert field_dims((4, 100, 10_000), 16, 0.3, "power of two") == [16, 8, 2]
    assert field_dims((4, 100, 10_000), 16, 0.0, "nearest") == [16, 16, 16]


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.8), (0.1, 0.9)])
def test_mde_meets_a_budget_on_the_published_cardinalities_of_criteo(share, least):
    budget = int(share * sum(CRITEO) * 16 * 4)
    config = MDE.plan(TableSpec(CRITEO, 16, torch.zeros(1).expand(sum(CRITEO))), budget, 0)
    assert least * budget <= planned_bytes(MDE, config) <= budget
    assert config["dims"][8] == 16, "the field of three rows keeps all dimensions"
    assert config["dims"][2] == min(config["dims"])


@pytest.mark.parametrize("share", [0.05, 0.01])
def test_mde_has_a_floor_on_criteo(share):
    spec = TableSpec(CRITEO, 16, torch.zeros(1).expand(sum(CRITEO)))
    with pytest.raises(InfeasibleBudget, match=r"mde needs at least 13\d,\d{3},\d{3} bytes"):
        MDE.plan(spec, int(share * spec.full_bytes), 0)


# -- AutoDim -------------------------------------------------------------------------------------------
def autodim(spec=None, share=0.9):
    spec = spec or spec_of([40, 30, 20])
    return spec, AutoDim.build(spec, int(share * spec.full_bytes), 0)


def test_one_candidate_alone_is_the_normalised_projection_of_its_columns():
    _, table = autodim()
    with torch.no_grad():
        table.alpha[:, 1] = 100.0  # four of eight dimensions
    table.eval()
    vectors = table(torch.arange(40))
    reads = table.weight[0][:4, 8:16]
    by_hand = table.rows[:40, :4] @ reads + table.bias[0, 8:16]
    torch.testing.assert_close(vectors, by_hand / (1 + 1e-5) ** 0.5)


def test_the_assignment_is_the_likeliest_of_all_whose_file_fits():
    spec = spec_of([400, 300, 200])
    _, table = autodim(spec)
    every = {d: mixed_bytes(spec, list(d)) for d in itertools.product((2, 4, 8), repeat=3)}
    rng = torch.Generator().manual_seed(0)
    for budget in torch.linspace(min(every.values()), max(every.values()), 40).long().tolist():
        with torch.no_grad():
            table.alpha.copy_(torch.randn(3, 3, generator=rng))
        logs = table.alpha.detach().double().log_softmax(-1)
        sums = {
            dims: sum(logs[f, (2, 4, 8).index(d)].item() for f, d in enumerate(dims))
            for dims, size in every.items()
            if size <= budget
        }
        assert tuple(table.assign(spec, budget)) == max(sums, key=sums.get)
    likeliest_each = [(2, 4, 8)[c] for c in table.alpha.argmax(-1)]
    assert table.assign(spec, 10**6) == likeliest_each


def test_the_choice_need_not_step_down_where_that_is_cheapest_a_byte():
    # Twenty bytes must become ten. A step down costs 1 for 8 bytes in the first field, 3 for 11 in
    # the second. Cheapest first takes both steps (-4); the second alone is enough (-3).
    scores = torch.tensor([[-1.0, 0.0], [-3.0, 0.0]], dtype=torch.float64)
    sizes = torch.tensor([[0, 8], [1, 12]])
    assert list(likeliest(scores, sizes, 10)) == [[1, 0], [0, 0]]
    assert next(likeliest(scores, sizes, 20)) == [1, 1]
    assert list(likeliest(scores, sizes, 0)) == []


def test_a_step_of_the_search_takes_one_dense_gradient_of_the_table(monkeypatch):
    spec, table = autodim()
    calls = []
    monkeypatch.setattr(
        autodim_module, "lookup", lambda rows, ids: calls.append(len(ids)) or lookup(rows, ids)
    )
    ids = torch.tensor([[0, 40, 70], [39, 41, 89]])
    table(ids)
    assert calls == [6], "not one a field"
    table.eval()
    vectors = table(torch.arange(spec.rows))
    torch.testing.assert_close(table(ids), vectors[ids])


def test_alpha_learns_from_the_validation_loss_and_nothing_else():
    class Watched(AutoDim):
        def recipe(self, trainer):
            # The validation loss asks for less of the first candidate and tells nothing of the rest.
            trainer.valid_loss = lambda: self.alpha[:, 0].sum()
            trainer.searched = self
            super().recipe(trainer)

    trainer = run_recipe(Watched, share=0.9, search_epochs=1)
    alpha, steps = trainer.searched.alpha.detach(), 16  # 4000 events in batches of 256
    assert not alpha[:, 1:].any()
    torch.testing.assert_close(alpha[:, 0], torch.full((3,), -0.01 * steps))  # Adam, gradient 1
    assert [fit.phase for fit in trainer.fits] == ["search", "retrain"]
    assert isinstance(trainer.model.table, MixedTable)


# -- soft selection ------------------------------------------------------------------------------------
def test_blocks_hold_equally_many_ids_and_never_split_a_frequency():
    counts = torch.tensor([0, 9, 8, 7, 2, 2, 2, 0, 6, 5, 2, 1])
    bounds = frequency_bounds(TableSpec((7, 5), 4, counts), 3)
    # Sorted: 9 8 7 6 | 5 2 2 2 | 2 1 0 0; the cuts are the counts 5 and 2 of ranks 4 and 8.
    assert bounds == [[0, 4, 4, 7], [0, 2, 3, 5]]


@pytest.mark.parametrize("cls", [DNIS, AutoSrh])
def test_blocks_refuse_ids_that_are_not_ordered_by_frequency(cls):
    spec = TableSpec((40, 30), 8, torch.arange(70))
    with pytest.raises(StudyError, match=f"{cls.method} needs the ids of a field ordered"):
        cls.build(spec, spec.full_bytes, 0)


def test_a_block_table_keeps_the_columns_of_each_block():
    weight = torch.arange(48.0).view(12, 4) + 1
    table = BlockTable([7, 5], 4, [[0, 4, 4, 7], [0, 2, 3, 5]], [[0, 1, 2, 3], [1], []])
    table.fill(weight)
    vectors = table(torch.arange(12))
    assert torch.equal(vectors[[0, 3, 7, 8]], weight[[0, 3, 7, 8]])
    assert vectors[9].tolist() == [0, weight[9, 1].item(), 0, 0]
    assert not vectors[[4, 6, 10, 11]].any()
    assert [line["dims"] for line in table.allocation()] == [4, 0, 4, 1, 0]


def test_a_step_of_alpha_is_normalised_by_row_and_clipped():
    spec = spec_of([40, 30], dim=2)
    table = DNIS.build(spec, spec.full_bytes * 2, 0, blocks=2, alpha_lr=0.1)
    with torch.no_grad():
        table.alpha.copy_(torch.tensor([[0.5, 1.0], [0.02, 0.5]]))
    table.move(torch.tensor([[1e-3, 3e-3], [2.0, -2.0]]))
    first = 0.1 * (1e-3 + 1e-5) / (2e-3 + 1e-5)
    torch.testing.assert_close(
        table.alpha.detach(), torch.tensor([[0.5 - first, 1 - 0.1 * 3.01 / 2.01], [0.0, 0.6]])
    )
    # Of a gradient that is next to nothing, alpha takes next to no step.
    with torch.no_grad():
        table.alpha.zero_()
    table.move(torch.full((2, 2), -1e-12))
    assert table.alpha.max() < 1e-4


def test_a_cut_keeps_the_cells_of_the_largest_scores():
    counts = torch.tensor([0, 9, 8, 7, 2, 2, 2, 0, 6, 5, 2, 1])
    spec = TableSpec((7, 5), 2, counts)
    bounds = frequency_bounds(spec, 3)
    assert bounds == [[0, 4, 4, 7], [0, 2, 3, 5]]
    weight = torch.tensor([-0.9, 1.5]).expand(12, 2)
    scores = torch.tensor([[0.9, 0.3], [0.5, 1.5], [0.6, 0.3]])
    sizes = {"field_rows": [7, 5], "dim": 2, "bounds": bounds}
    budget = planned_bytes(BlockTable, sizes | {"kept": [[0], [1], [0]]})
    cut = cut_to_fit("autosrh", spec, bounds, scores, budget)
    assert cut.kept == [[0], [1], [0]]
    cut.fill(weight)
    by_hand = torch.zeros(12, 2)
    by_hand[[0, 1, 2, 3, 7, 8, 4, 5, 6, 10, 11], 0] = -0.9
    by_hand[9, 1] = 1.5
    torch.testing.assert_close(cut(torch.arange(12)), by_hand)
    assert cut.allocation()[0] == {"field": 0, "first": 0, "rows": 4, "dims": 1}


@pytest.mark.parametrize("cls", [DNIS, AutoSrh])
def test_what_soft_selection_serves_is_the_masked_product(cls):
    kept = {}

    class Watched(cls):
        def folded(self):
            kept["weight"] = super().folded()
            return kept["weight"]

        def recipe(self, trainer):
            fit = trainer.fit
            # Without the training after the cut, what is served is what was cut.
            trainer.fit = lambda phase, **more: None if phase == "retrain" else fit(phase, **more)
            super().recipe(trainer)

    trainer = run_recipe(Watched, share=0.5)
    table = trainer.model.table
    vectors = table(torch.arange(sum(ROWS)))
    there = vectors != 0
    assert torch.equal(vectors[there], kept["weight"][there])
    assert 0.3 < there.float().mean() < 0.6
    assert kept["weight"].abs().sum() > vectors.abs().sum()
    if cls is DNIS:  # single numbers: what was dropped is smaller than all that was kept
        assert kept["weight"][~there].abs().max() <= vectors[there].abs().min()


@pytest.mark.parametrize("cls", [AutoSrh, AutoSrhSparse])
def test_the_search_of_autosrh_moves_no_backbone_and_keeps_its_best_epoch(cls):
    seen = {"valid": []}

    class Watched(cls):
        def recipe(self, trainer):
            fit, validate = trainer.fit, trainer.validate

            def judged():
                seen["valid"].append((validate(), self.alpha.detach().clone()))
                return seen["valid"][-1][0]

            def spy(phase, **more):
                if phase != "search":
                    return fit(phase, **more)
                before = {n: t.clone() for n, t in trainer.model.backbone.state_dict().items()}
                trainer.validate = judged
                done = fit(phase, **more)
                trainer.validate = validate
                after = trainer.model.backbone.state_dict()
                assert all(torch.equal(after[name], before[name]) for name in before)
                seen["left"] = self.alpha.detach().clone()
                return done

            trainer.fit = spy
            super().recipe(trainer)
            seen["trains"] = all(p.requires_grad for p in trainer.model.backbone.parameters())

    trainer = run_recipe(Watched, share=0.5)
    best = min(seen["valid"], key=lambda epoch: epoch[0])
    assert torch.equal(seen["left"], best[1])
    assert not torch.equal(seen["left"], torch.ones_like(seen["left"])), "alpha has learned"
    assert seen["trains"], "the backbone goes on in the phase after"
    assert [fit.phase for fit in trainer.fits] == ["full", "search", "retrain"]


# -- OptEmbed --------------------------------------------------------------------------------------------
def test_the_surrogate_gradient_is_the_papers():
    z = torch.tensor([-1.5, -1.0, -0.7, -0.4, -0.1, 0.0, 0.2, 0.41, 1.0, 1.01], requires_grad=True)
    step = BinaryStep.apply(z)
    assert step.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    step.sum().backward()
    by_hand = torch.tensor([0, 0.4, 0.4, 0.4, 1.6, 2.0, 1.2, 0.4, 0.4, 0])
    torch.testing.assert_close(z.grad, by_hand)


def test_evolution_keeps_its_best_and_never_changes_a_recorded_candidate():
    judged = []

    def fitness(dims):
        judged.append(dims)
        return -sum((d - 3) ** 2 for d in dims)

    search = Evolution(population=6, mutations=6, crossovers=6, generations=20)
    rng = torch.Generator().manual_seed(0)
    best, history = search.search(5, 8, fitness, lambda dims: dims, rng)
    assert history == sorted(history)
    assert history[-1] == fitness(best) > history[0]
    assert len(judged) - 1 == len(set(judged)), "each candidate is judged once"


def test_crossover_can_cut_before_every_field_but_the_first():
    rng = torch.Generator().manual_seed(0)
    cuts = {sum(crossover((1,) * 26, (0,) * 26, rng)) for _ in range(1000)}
    assert cuts == set(range(1, 26))


@pytest.mark.parametrize("cls", [OptEmbed, OptEmbedE])
def test_optembed_retrains_what_it_kept_from_the_first_weights(cls):
    seen = {}

    class Watched(cls):
        def recipe(self, trainer):
            seen["start"] = self.rows.detach().clone()
            seen["backbone"] = trainer.model.backbone.state_dict()["output.weight"].clone()
            fit = trainer.fit

            def spy(phase, **more):
                if phase == "retrain":
                    seen["table"] = trainer.model.table(torch.arange(sum(ROWS))).detach()
                    seen["again"] = trainer.model.backbone.state_dict()["output.weight"].clone()
                return fit(phase, **more)

            trainer.fit = spy
            super().recipe(trainer)

    options = {"search_epochs": 1}
    if cls is OptEmbed:
        options |= {"population": 4, "generations": 1}
    trainer = run_recipe(Watched, share=0.6, **options)
    served = trainer.model.table
    assert isinstance(served, KeptRows)
    there = seen["table"] != 0
    assert torch.equal(seen["table"][there], seen["start"][there])
    assert torch.equal(seen["again"], seen["backbone"])
    counts = there.any(1).split(list(ROWS))
    assert [int(part.sum()) for part in counts] == served.kept
    assert all(int(part.sum(1).max()) == d for part, d in
               zip(there.split(list(ROWS)), served.dims, strict=True) if part.any())  # fmt: skip


def test_thresholds_move_and_rows_below_them_are_cut():
    spec = toy().spec(8, 0.05)
    table = OptEmbed.build(spec, spec.full_bytes * 2, 0).eval()
    norms = table.rows.abs().sum(1)
    with torch.no_grad():
        table.thresholds.fill_(norms.median().item())
    vectors = table(torch.arange(spec.rows))
    assert torch.equal(vectors.any(1), norms > norms.median())
    table.train()(torch.arange(spec.rows)).sum().backward()
    before = table.thresholds.detach().clone()
    table.move_thresholds(0)
    torch.testing.assert_close(
        table.thresholds.detach(), before - table.threshold_lr * table.thresholds.grad
    )
    assert table.thresholds.grad.abs().sum() > 0


def test_full_rows_and_dimensions_are_an_embedding():
    spec = spec_of([5, 4])
    table = KeptRows([5, 4], 8, [5, 4], [8, 8])
    weight = Full.build(spec, spec.full_bytes, 0).rows.detach()
    table.fill(weight, torch.ones(9, dtype=torch.bool))
    assert torch.equal(table(torch.arange(9)), weight)


def test_what_finds_its_size_in_training_says_so():
    sized = {name for name, table in METHODS.items() if table.sized_in_training}
    assert sized == set(METHODS) - {"mde"}


def test_options_that_are_not_allowed_are_named():
    with pytest.raises(StudyError, match="option rounding of mde must be one of 'nearest'"):
        MDE.build(spec_of([5, 4]), 10**6, 0, rounding="down")


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"mde"}))
def test_what_has_not_been_through_its_recipe_cannot_be_saved(name):
    spec = toy().spec(8, 0.05)
    with pytest.raises(StudyError, match=f"{name} finds the sizes .* run its recipe"):
        METHODS[name].build(spec, spec.full_bytes * 3 // 4, 0).compact()
