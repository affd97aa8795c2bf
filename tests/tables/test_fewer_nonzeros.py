"""Pruning, and the files of what is left, against values computed by hand."""

from dataclasses import replace

import pytest
import torch
from recipes import ROWS, run_recipe, toy

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core.artefact import load, save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.bitmap import Bitmap
from embedstudy.tables.core.packing import pack_row
from embedstudy.tables.fewer_nonzeros.deeplight import DeepLight, sparsity
from embedstudy.tables.fewer_nonzeros.magnitude import Magnitude, importance
from embedstudy.tables.fewer_nonzeros.methods import METHODS
from embedstudy.tables.fewer_nonzeros.pep import PEP, soft_threshold
from embedstudy.tables.fewer_nonzeros.sparse import Masked, SparseTable, best_mask, smaller_form


def weights(rows, dim, share, seed=0):
    rng = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, dim, generator=rng)
    return dense * (torch.rand(rows, dim, generator=rng) < share)


@pytest.mark.parametrize("dim", [1, 3, 16, 17])
@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 1.0])
def test_the_smaller_form_is_written_and_gives_the_dense_rows(share, dim, tmp_path):
    dense = weights(700, dim, share)
    table = SparseTable.of([300, 400], dense, dense != 0)
    sizes = {"field_rows": [300, 400], "dim": dim}
    sizes |= {"nonzeros": int((dense != 0).sum()), "kept": int((dense != 0).any(1).sum())}
    form, size = smaller_form(sizes)
    assert table.form == form
    assert save(table.compact(), tmp_path / "t") == size
    served = load(tmp_path / "t")
    ids = torch.tensor([[699, 0, 5], [5, 5, 301]])
    assert torch.equal(served(ids), dense[ids])
    assert torch.equal(served(torch.arange(700)), dense)
    assert served(torch.zeros(0, 2, dtype=torch.int64)).shape == (0, 2, dim)


def test_few_numbers_are_stored_as_rows_and_many_as_a_bitmap():
    sizes = {"field_rows": [10_000], "dim": 16}
    assert smaller_form(sizes | {"nonzeros": 800, "kept": 700})[0] == "csr"
    assert smaller_form(sizes | {"nonzeros": 80_000, "kept": 10_000})[0] == "bitmap"
    # 10,000 rows: a bit each, in blocks of 32 bytes; 700 counts and 800 columns of four bits; 800
    # numbers; a header.
    payload = 40 * 32 + 350 + 2 + 400 + 2 + 3200
    assert 0 < smaller_form(sizes | {"nonzeros": 800, "kept": 700})[1] - payload < 600


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_rows_begin_where_those_before_them_end(share):
    """Many more kept rows than one stored row pointer covers, of lengths from one to all."""
    dense = weights(5000, 16, share)
    dense[100] = 1.0
    sizes = {"field_rows": [5000], "dim": 16, "form": "csr"}
    sizes |= {"nonzeros": int((dense != 0).sum()), "kept": int((dense != 0).any(1).sum())}
    table = SparseTable(**sizes)
    table.load_state_dict(csr_state(dense))
    lengths = (dense != 0).sum(1)
    lengths = lengths[lengths > 0]
    rows = torch.arange(len(lengths))
    assert torch.equal(table.pointer(rows), lengths.cumsum(0) - lengths)
    assert torch.equal(table.lengths(rows), lengths)
    assert torch.equal(table(torch.arange(5000)), dense)


def csr_state(dense):
    """What the file holds of fp32 [rows, 16] in compressed rows."""
    mask = dense != 0
    kept = mask.any(1)
    rows = Bitmap(len(dense))
    rows.fill(kept)
    return {
        "values": dense[mask],
        "map.bits": rows.bits,
        "counts": pack_row(mask[kept].sum(1) - 1, 4),
        "columns": pack_row(mask.nonzero()[:, 1], 4),
    }


def test_the_picture_of_a_sparse_table_is_its_mean_dimensions():
    mask = torch.zeros(20, 4, dtype=torch.bool)
    mask[0] = mask[16:18, 1:3] = True
    table = SparseTable.of([16, 4], torch.ones(20, 4), mask)
    lines = [(a["field"], a["first"], a["rows"], a["dims"]) for a in table.allocation()]
    assert lines[:3] == [(0, 0, 2, 2.0), (0, 2, 2, 0.0), (0, 4, 2, 0.0)]
    assert lines[8:] == [(1, 0, 1, 2.0), (1, 1, 1, 2.0), (1, 2, 1, 0.0), (1, 3, 1, 0.0)]


def test_the_mask_is_the_largest_set_of_the_most_important_numbers_that_fits():
    dense = weights(500, 16, 1.0)
    spec = TableSpec((500,), 16, torch.ones(500, dtype=torch.int64))
    budget = spec.full_bytes // 5
    mask = best_mask("test", spec, dense.abs(), budget)
    smallest = dense.abs()[mask].min()
    assert (dense.abs()[~mask] <= smallest).all()
    assert SparseTable.of([500], dense, mask).compact().bytes() <= budget
    larger = mask.flatten().clone()
    rest = dense.abs().flatten().masked_fill(larger, 0).argsort(descending=True)[:4]
    larger[rest] = True
    assert SparseTable.of([500], dense, larger.view(500, 16)).compact().bytes() > budget
    with pytest.raises(InfeasibleBudget, match=r"test needs at least [\d,]+ bytes"):
        best_mask("test", spec, dense.abs(), 200)


def test_a_floor_protects_the_largest_numbers_of_each_row():
    weight = torch.tensor([[3.0, -5, 1], [0.1, 0.3, -0.2], [9, 8, 7]])
    order = importance(weight, 1).flatten().argsort(descending=True)
    assert set(order[:3].tolist()) == {1, 4, 6}, "the largest of each row first"
    assert order[3:].tolist() == [7, 8, 0, 2, 5, 3]
    assert torch.equal(importance(weight, 0), weight.abs())


def test_magnitude_compresses_a_weight_as_brute_force_does():
    weight = weights(400, 8, 1.0)
    spec = TableSpec((400,), 8, torch.ones(400, dtype=torch.int64))
    table = Magnitude.compress(weight, spec, spec.full_bytes // 3, 0, floor=1)
    vectors = table(torch.arange(400))
    there = vectors != 0
    assert torch.equal(vectors[there], weight[there])
    top = torch.zeros_like(there).scatter_(1, weight.abs().argmax(1, keepdim=True), True)
    assert (there | ~top).all()
    rest = weight.abs()[~top]
    assert torch.equal(there[~top], rest >= rest[there[~top]].min())


def test_soft_threshold_and_its_gradients_by_hand():
    v = torch.tensor([0.5, -0.2, 0.05, -0.05], requires_grad=True)
    s = torch.tensor([0.1] * 4).logit().requires_grad_()
    out = soft_threshold(v, s)
    torch.testing.assert_close(out.detach(), torch.tensor([0.4, -0.1, 0.0, 0.0]))
    out.sum().backward()
    assert v.grad.tolist() == [1, 1, 0, 0]
    slope = 0.1 * 0.9
    torch.testing.assert_close(s.grad, torch.tensor([-slope, slope, 0, 0]))


@pytest.mark.parametrize("std", [0.05, 1e-4])
@pytest.mark.parametrize(
    ("granularity", "shape"),
    [("global", (1, 1)), ("dimension", (1, 8)), ("feature", (720, 1)), ("feature-dimension", (720, 8))],
)  # fmt: skip
def test_thresholds_of_pep_start_below_nearly_all_numbers_and_have_a_gradient(
    granularity, shape, std
):
    spec = toy().spec(8, std)
    table = PEP.build(spec, spec.full_bytes, 0, granularity=granularity)
    assert table.s.shape == shape
    assert 0.98 < (table.margins() > 0).float().mean() < 1
    table(torch.arange(spec.rows)).abs().sum().backward()
    assert (table.s.grad < 0).float().mean() > 0.98, "a few numbers start below the threshold"


def step_of_pep(std, decay):
    """One step of the study's optimizer on a loss of the first 500 of 720 ids."""
    spec = toy().spec(8, std)
    table = PEP.build(spec, spec.full_bytes, 0)
    first = {name: p.detach().clone() for name, p in table.named_parameters()}
    groups = [{"weight_decay": decay} | group for group in table.parameter_groups()]
    optimizer = torch.optim.Adam(groups, 0.004, fused=True)
    pull = 1e-6 * torch.randn(500, 8, generator=torch.Generator().manual_seed(0)).sign()
    (table(torch.arange(500)) * pull).sum().backward()
    optimizer.step()
    return table, first


@pytest.mark.parametrize("std", [0.05, 1e-4])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_a_threshold_moves_against_its_own_gradient_however_small_that_is(std, decay):
    table, first = step_of_pep(std, decay)
    moved, gradient = table.s.detach() - first["s"], table.s.grad
    felt = gradient != 0
    by_hand = -table.threshold_lr * gradient.sign()
    torch.testing.assert_close(moved[felt], by_hand[felt], rtol=1e-2, atol=1e-5)
    assert 0.4 < (moved[felt] > 0).float().mean() < 0.6, "some rise and some fall"


@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_a_threshold_without_a_gradient_stays(decay):
    table, first = step_of_pep(0.05, decay)
    assert not table.s.grad[500:].any()
    assert torch.equal(table.s[500:], first["s"][500:])


class Searched(PEP):
    """PEP that notes what its search leaves behind; v has the weight decay of the study."""

    std = 0.05

    def parameter_groups(self):
        v, s = super().parameter_groups()
        return [v | {"weight_decay": 1e-3}, s]

    def reset(self, spec, rng):
        super().reset(replace(spec, init_std=self.std), rng)
        self.first = self.s.detach().clone()

    def look(self, trainer, step):
        super().look(trainer, step)
        trainer.steps, trainer.searched = step + 1, self


class FromSmall(Searched):
    std = 1e-4


@pytest.mark.parametrize("cls", [Searched, FromSmall])
def test_a_search_is_no_matter_of_a_few_steps(cls):
    """Nothing is pruned in the first of 16 steps' epochs, and little soon after."""
    trainer = run_recipe(cls, share=0.4)
    assert trainer.steps > 3 * 16
    trained = trainer.model.table(torch.arange(sum(ROWS)))
    often = (trained[trainer.data.counts > 100] != 0).float().mean()
    assert often > (trained != 0).float().mean(), "what occurs more often keeps more"


def test_a_search_ends_when_its_thresholds_leave_what_fits():
    trainer = run_recipe(Searched, share=0.85, threshold_lr=0.5)
    table = trainer.searched
    assert 16 < trainer.steps < 10 * 16, "of 16 steps an epoch, the first at rest, and 10 epochs"
    assert table.fits
    kept, served = table.margins() > 0, trainer.model.table(torch.arange(sum(ROWS))) != 0
    assert (kept == served).float().mean() > 0.95, "but for the steps between two looks"
    size = table.rows.detach().abs()
    assert size[~kept].max() > size[kept].median(), "no cut by magnitude drops such numbers"


def test_thresholds_rest_for_the_first_epoch():
    table = PEP.build(toy().spec(8, 0.05), 10**6, 0)
    table.resting = True
    ids = torch.arange(sum(ROWS))
    assert torch.equal(table(ids), table.rows)
    table.wake(1)
    assert torch.equal(table(ids), soft_threshold(table.rows, table.s))


def test_a_search_moves_only_the_thresholds_that_training_meets():
    trainer = run_recipe(Searched, share=0.4)
    table, met = trainer.searched, trainer.data.counts > 0
    moved = table.s.detach() - table.first
    assert not moved[~met].any()
    assert (moved[met] > 0).any()
    assert (moved[met] < 0).any()


def test_pep_trains_its_ticket_from_the_first_weights():
    seen = {}

    class Watched(PEP):
        def recipe(self, trainer):
            seen["start"] = self.rows.detach().clone()
            fit = trainer.fit

            def spy(phase, **more):
                if phase == "retrain":
                    table = trainer.model.table
                    seen["mask"] = table.mask.clone()
                    seen["ticket"] = table.rows.detach().clone()
                return fit(phase, **more)

            trainer.fit = spy
            super().recipe(trainer)

    trainer = run_recipe(Watched, share=0.4, threshold_lr=0.2)
    # What the mask holds at zero is zero from the start, and so are its moments: no denormals.
    assert torch.equal(seen["ticket"], seen["start"].masked_fill(~seen["mask"], 0))
    vectors = trainer.model.table(torch.arange(sum(ROWS)))
    assert torch.equal(vectors != 0, seen["mask"])
    assert not torch.equal(vectors[seen["mask"]], seen["start"][seen["mask"]])


def test_the_schedule_of_deeplight_by_hand():
    assert sparsity(0, 100, 0.9) == 0
    assert sparsity(50, 100, 0.9) == pytest.approx(0.9 * (1 - 0.001**0.5))
    assert sparsity(100, 100, 0.9) == sparsity(1000, 100, 0.9) == 0.9


def test_pruned_numbers_can_grow_again_until_the_next_pruning():
    spec = toy().spec(8, 0.05)
    table = DeepLight.build(spec, spec.full_bytes, 0)
    with torch.no_grad():
        table.rows.copy_(weights(720, 8, 1.0))
    table.prune(0.75)
    assert (table.rows == 0).float().mean() == pytest.approx(0.75, abs=1e-3)
    assert table.rows.abs()[table.rows != 0].min() > weights(720, 8, 1.0).abs().median()
    table(torch.arange(720)).sum().backward()
    assert (table.rows.grad[table.rows == 0] != 0).all()


def test_a_masked_table_without_zeros_is_an_embedding():
    dense = weights(50, 8, 1.0)
    table = Masked([50], 8).fill(dense, torch.ones(50, 8, dtype=torch.bool))
    assert torch.equal(table(torch.arange(50)), dense)
    assert torch.equal(table.stored()(torch.arange(50)), dense)


def test_every_method_finds_its_size_in_training_and_says_so():
    assert all(table.sized_in_training for table in METHODS.values())


@pytest.mark.parametrize("name", METHODS)
def test_what_has_not_been_through_its_recipe_cannot_be_saved(name):
    spec = toy().spec(8, 0.05)
    with pytest.raises(StudyError, match=f"{name} finds the sizes .* run its recipe"):
        METHODS[name].build(spec, spec.full_bytes // 2, 0).compact()
