"""Training in few bits, against formulas and values computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from recipes import run_recipe, toy

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.packing import unpack
from embedstudy.tables.fewer_bits import dpq
from embedstudy.tables.fewer_bits.alpt import ALPT, quantised
from embedstudy.tables.fewer_bits.dpq import DPQ
from embedstudy.tables.fewer_bits.integer import uniform
from embedstudy.tables.fewer_bits.low_precision import LowPrecision
from embedstudy.tables.fewer_bits.methods import METHODS
from embedstudy.tables.fewer_bits.mgqe import MGQE, hot_rows

SPEC = TableSpec((50, 30), 8, torch.ones(80, dtype=torch.int64), 0.05)


def build(cls, **options):
    return cls.build(SPEC, 4 * SPEC.full_bytes, 0, **options)


# -- integers ----------------------------------------------------------------------------------------
def test_stochastic_rounding_is_right_on_average_where_the_nearest_code_never_moves():
    table = LowPrecision([20_000], 1, bits=8, step=0.01)
    table.rounding = generator(0, "test")
    table.round_(torch.full((20_000, 1), 0.0123))
    assert set(table.codes.unique().tolist()) == {1, 2}
    assert table.decoded().mean().item() == pytest.approx(0.0123, abs=1e-4)
    table.round_(torch.full((20_000, 1), 0.003))  # less than half a step from zero
    assert table.decoded().mean().item() == pytest.approx(0.003, abs=1e-4)


def test_many_small_updates_add_up():
    table = LowPrecision([20_000], 1, bits=8, step=0.01)
    table.rounding = generator(0, "test")
    for _ in range(30):  # a tenth of a step each: rounded to the nearest code, all would be lost
        table.round_(table.decoded() + 0.001)
    assert table.decoded().mean().item() == pytest.approx(0.03, abs=1e-3)


def test_numbers_beyond_the_range_are_clipped():
    table = LowPrecision([4], 1, bits=8, step=0.01)
    table.rounding = generator(0, "test")
    table.round_(torch.tensor([[5.0], [-5.0], [1.27], [-1.28]]))
    assert table.codes.flatten().tolist()[:2] == [127, -128]
    torch.testing.assert_close(table.decoded().flatten()[2:], torch.tensor([1.27, -1.28]))


def test_uniform_numbers_fill_the_unit_interval():
    numbers = uniform((999, 101), generator(0, "test"), torch.device("cpu"))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.005)
    assert numbers.var().item() == pytest.approx(1 / 12, rel=0.02)


@pytest.mark.parametrize("cls", [LowPrecision, ALPT])
def test_a_loop_of_ones_own_is_told_that_it_would_train_nothing(cls):
    table, ids = build(cls), torch.arange(80)
    assert table.eval()(ids).shape == (80, 8)
    sentence = f"{cls.method} has no parameters .* learns by its recipe alone: train it with"
    with pytest.raises(StudyError, match=sentence):
        table.train()(ids)
    trained = run_recipe(cls, share=0.6).model.table
    assert trained.eval()(ids).shape == (80, 8)
    with pytest.raises(StudyError, match=sentence):
        trained.train()(ids)


@pytest.mark.parametrize(("cls", "options"), [(LowPrecision, {"bits": 8}), (ALPT, {})])
def test_the_table_is_int8_while_it_trains_and_its_bytes_show_it(cls, options):
    kinds = []

    class Watched(cls):
        def update(self, trainer, step):
            super().update(trainer, step)
            kinds.append((self.codes.dtype, len(list(self.parameters()))))

    trainer = run_recipe(Watched, share=0.6, **options)
    assert set(kinds) == {(torch.int8, 0)}
    weights = trainer.model.table.codes.numel()
    # One byte a weight and two fp32 moments; the full table holds four fp32 numbers a weight.
    assert 9 * weights <= trainer.fits[0].train_bytes < 13 * weights


def test_one_update_is_adams_on_the_decoded_table():
    trainer = run_recipe(LowPrecision, share=0.6, bits=16)
    table = trainer.model.table.train()
    table.start(trainer)
    ids = trainer.data.train.ids[:64]
    parameter = torch.nn.Parameter(table.decoded().clone())
    adam = torch.optim.Adam([parameter], trainer.config.lr, weight_decay=trainer.config.table_l2)
    for step in (1, 2):
        table.zero_grad()
        (table(ids) ** 3).sum().backward()
        (parameter[ids] ** 3).sum().backward()
        updated = table.adam(trainer, step)
        adam.step()
        adam.zero_grad()
        torch.testing.assert_close(updated, parameter.detach(), atol=1e-6, rtol=1e-4)
        parameter.data.copy_(table.decoded())


def test_alpt_gradient_of_a_step_is_the_formula():
    weight = torch.tensor([[0.024, -0.013, 3.0, -3.0]])
    steps = torch.tensor([[0.01]], requires_grad=True)
    out = quantised(weight, steps, -128, 127)
    torch.testing.assert_close(out.detach(), torch.tensor([[0.02, -0.01, 1.27, -1.28]]))
    (gradient,) = torch.autograd.grad(
        (out * torch.tensor([[1.0, 10.0, 100.0, 1000.0]])).sum(), steps
    )
    by_hand = 1 * (2 - 2.4) + 10 * (-1 + 1.3) + 100 * 127 + 1000 * -128
    assert gradient.item() == pytest.approx(by_hand, rel=1e-5)


def test_alpt_learns_steps_from_the_updated_rows_with_the_papers_factor():
    trainer = run_recipe(ALPT, share=0.6)
    table = trainer.model.table.train()
    table.start(trainer)
    trainer._batch = (trainer.data.train.ids[:32], trainer.data.train.labels[:32])
    trainer.loss().backward()
    weight = table.adam(trainer, 1)
    found = table.step_gradient(trainer, weight)

    steps = table.steps.clone().requires_grad_()
    ids, labels = trainer._batch
    rows = quantised(weight[ids.flatten()], steps[ids.flatten()], -128, 127).view(*ids.shape, 8)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        trainer.model.backbone(rows), labels
    )
    (gradient,) = torch.autograd.grad(loss, steps)
    torch.testing.assert_close(found, gradient / math.sqrt(32 * 8 * 127))
    assert (found != 0).sum() == (torch.bincount(ids.flatten(), minlength=720) > 0).sum()
    before = table.steps.clone()
    table.update(trainer, 1)
    assert (table.steps != before).any()
    assert (table.steps > 0).all()


def test_alpt_rounds_the_updated_rows_with_the_new_steps():
    trainer, seen = run_recipe(ALPT, share=0.6), []
    table = trainer.model.table.train()
    table.start(trainer)
    trainer._batch = (trainer.data.train.ids[:32], trainer.data.train.labels[:32])
    trainer.loss().backward()
    rounded = table.round_

    def learn_steps(gradient, step):
        seen.append("steps")
        table.steps.mul_(2)

    def round_(weight):
        seen.append("round")
        table.updated = weight.clone()
        rounded(weight)

    table.learn_steps, table.round_ = learn_steps, round_
    table.update(trainer, 1)
    assert seen == ["steps", "round"]
    exact = table.updated / table.steps
    assert ((table.codes - exact).abs() < 1 + 1e-5).all()
    assert (table.codes - 2 * exact).abs().max() > 1, "with the old steps codes were twice as large"


# -- learned codes -----------------------------------------------------------------------------------
def by_distance(table, ids):
    """Codes by the definition: the nearest centroid of each part."""
    parts = table.queries.detach()[ids].view(len(ids), table.parts, 1, -1)
    return (parts - table.centroids.detach()).square().sum(-1).argmin(-1)


@pytest.mark.parametrize("training", [True, False])
def test_vq_chooses_the_nearest_centroid(training):
    table = DPQ([3], 2, parts=1, bits=2).train(training)
    table.queries.data = torch.tensor([[0.9, 0.1], [0.1, 0.1], [-0.6, -0.7]])
    # The longest centroid has the largest inner product with the first two queries.
    table.centroids.data = torch.tensor([[[1.0, 0.0], [0.0, 0.2], [-0.5, -0.5], [9.0, 9.0]]])
    out = table(torch.tensor([2, 0, 1]))
    assert out.tolist() == [[-0.5, -0.5], [1.0, 0.0], table.centroids[0, 1].tolist()]


def test_vq_codes_are_the_nearest_centroids():
    table = build(DPQ)
    assert torch.equal(table.codes(), by_distance(table, torch.arange(80)))


def test_vq_gives_the_centroid_and_passes_its_gradient_straight_to_the_query():
    table = build(DPQ).train()
    ids = torch.tensor([3, 40, 3])
    out = table(ids)
    codes = by_distance(table, torch.tensor([3, 40]))
    assert torch.equal(out[0], table.chosen(codes)[0])
    assert torch.equal(out[1], table.chosen(codes)[1])
    upstream = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    (out * upstream).sum().backward()
    torch.testing.assert_close(table.queries.grad[40], upstream[1])
    torch.testing.assert_close(table.queries.grad[3], upstream[0] + upstream[2])
    assert table.centroids.grad is None, "centroids learn from the distance to queries alone"


def test_vq_pulls_centroids_to_queries_and_not_queries_to_centroids():
    table = build(DPQ).train()
    ids = torch.arange(80)
    out = table(ids)
    distance = table.penalty()
    assert distance.item() == pytest.approx((out - table.queries).square().mean().item())
    distance.backward()
    assert table.queries.grad is None
    assert table.centroids.grad.abs().sum() > 0
    assert table.penalty() is None


def used_codes(**options):
    """Share of its codes that each part of a served file uses, after training on the toy set."""
    table = run_recipe(DPQ, share=0.5, **options).model.table
    codes = unpack(table.codes, table.bits, table.parts)
    return torch.tensor([part.unique().numel() for part in codes.T]) / 2**table.bits


@pytest.mark.parametrize("mode", ["vq", "sx"])
def test_a_file_uses_most_of_its_codes(mode):
    used = used_codes(mode=mode)
    assert used.numel() == 8, "parts of one column"
    assert used.min() > 0.5


def test_keys_of_one_column_leave_most_codes_unused():
    assert used_codes(mode="sx", key_width=1).min() < 0.3


def test_keys_of_sx_are_wider_than_its_values_and_stay_behind():
    table = build(DPQ, mode="sx")
    assert (table.parts, table.key_width) == (8, 4)
    assert table.queries.shape == (80, 32)
    assert table.keys.shape == (8, 32, 4)
    assert table.centroids.shape == (8, 32, 1)
    assert build(DPQ, mode="sx", width=8).keys.shape == (1, 32, 8), "never narrower than values"
    assert build(DPQ, mode="sx", width=2, key_width=3).queries.shape == (80, 12)
    assert build(DPQ).queries.shape == (80, 8), "the keys of vq are its centroids"
    assert table.compact().bytes() == build(DPQ).compact().bytes()
    assert not [name for name in table.compact().tensors if name not in ("codes", "centroids")]
    with pytest.raises(StudyError, match="keys of dpq with mode='vq' are its centroids, of 2"):
        DPQ([5], 8, parts=4, bits=3, key_width=4)
    with pytest.raises(StudyError, match="option key_width of dpq"):
        build(DPQ, mode="sx", key_width=0)


def test_a_code_of_wide_keys_is_the_largest_normalised_product_by_hand():
    table = build(DPQ, mode="sx").train()
    ids = torch.arange(80)
    table(ids)  # moves the statistics
    raw = torch.einsum("npw,pkw->npk", table.queries.view(80, 8, 4), table.keys)
    by_hand = (raw - table.mean.squeeze(1)) / (table.var.squeeze(1) + table.epsilon).sqrt()
    assert torch.equal(table.codes(), by_hand.argmax(-1))
    assert torch.equal(table.coded()(ids), table.chosen(by_hand.argmax(-1)))


@pytest.mark.parametrize("std", [0.05, 1e-4])
def test_responses_of_sx_have_unit_variance_however_short_its_queries_are(std):
    spec = TableSpec((50, 30), 8, torch.ones(80, dtype=torch.int64), std)
    table = DPQ.build(spec, 4 * spec.full_bytes, 0, mode="sx").train()
    queries = table.queries.detach()
    found = dpq.responses(queries, *table.scorer(queries))
    torch.testing.assert_close(found.var(1, correction=0), torch.ones(8, 32), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("cls", "options"), [(DPQ, {}), (DPQ, {"mode": "sx"}), (MGQE, {})])
def test_saving_in_the_middle_of_training_saves_codes_and_goes_on(cls, options):
    table = build(cls, **options).train()
    table(torch.arange(80))
    compact = table.compact()
    assert table.training
    assert compact.bytes() == table.coded().compact().bytes()


def test_sx_normalises_its_responses_over_the_batch():
    table = build(DPQ, mode="sx", width=2, key_width=2).train()
    queries = table.queries[:20] + 0.3
    k, parts = 2**table.bits, table.parts
    raw = torch.einsum("npw,pkw->npk", queries.view(20, parts, -1), table.keys).flatten(1)
    mean, var = torch.zeros(parts * k), torch.ones(parts * k)
    by_torch = F.batch_norm(raw, mean, var, training=True, eps=table.epsilon)
    found = dpq.responses(queries, *table.scorer(queries)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(found, by_torch, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(table.mean.flatten(), mean)
    torch.testing.assert_close(table.var.flatten(), var)
    table.eval()
    assert not torch.equal(
        dpq.responses(queries, *table.scorer(queries)).flatten(), found.flatten()
    )


def test_sx_gives_the_best_keys_value_with_the_gradient_of_the_softmax():
    table = build(DPQ, mode="sx", width=2, key_width=2).train()
    queries = table.queries[torch.tensor([3, 40, 41, 70])]
    found = dpq.responses(queries, *table.scorer(queries))
    out = table.through_softmax(queries)
    assert torch.equal(out, table.chosen(found.argmax(-1).T))
    soft = (found.softmax(-1) @ table.centroids).transpose(0, 1).flatten(1)
    upstream = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    for parameter in (table.queries, table.keys):
        (hard,) = torch.autograd.grad((out * upstream).sum(), parameter, retain_graph=True)
        (mean,) = torch.autograd.grad((soft * upstream).sum(), parameter, retain_graph=True)
        torch.testing.assert_close(hard, mean)
        assert hard.abs().sum() > 0


@pytest.mark.parametrize("key_width", [None, 5])
@pytest.mark.parametrize(("dim", "parts"), [(8, 8), (8, 4), (7, 2)])
def test_sx_has_the_bits_of_the_straight_through_product(dim, parts, key_width):
    # 16 keys: softmax as torch has it.
    table = DPQ([300], dim, parts, 4, mode="sx", key_width=key_width).train()
    table.reset(TableSpec((300,), dim, torch.ones(300, dtype=torch.int64), 0.05), generator(0, ""))
    queries = table.queries[:200]
    upstream = torch.randn(200, dim, generator=torch.Generator().manual_seed(0))

    def product(queries):
        answers = dpq.responses(queries, *table.scorer(queries))
        soft = answers.softmax(-1)
        hard = F.one_hot(answers.argmax(-1), 16).to(soft)
        values = (hard + (soft - soft.detach())) @ table.centroids
        return values.transpose(0, 1).flatten(1)[:, :dim]

    results = []
    for out in (table.through_softmax(queries), product(queries)):
        learned = (table.queries, table.keys, table.centroids)
        results.append([out, *torch.autograd.grad((out * upstream).sum(), learned)])
    for read, multiplied in zip(*results, strict=True):
        assert torch.equal(read, multiplied)


def test_softmax_over_few_keys_is_softmax():
    answers = torch.randn(4, 50, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(dpq.softmax(answers), answers.softmax(-1))


def test_the_first_of_equal_answers_is_the_best():
    answers = torch.randint(3, (4, 50, 8), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(dpq.best(answers), answers.argmax(-1))


def test_a_part_has_the_wanted_columns():
    assert build(DPQ).parts == 8
    assert build(DPQ, width=2).parts == 4
    assert build(DPQ, width=3).parts == 2
    for options in ({"width": 0}, {"width": 9}, {"bits": 1}, {"mode": "both"}):
        with pytest.raises(StudyError, match=f"option {next(iter(options))} of dpq"):
            build(DPQ, **options)
    with pytest.raises(InfeasibleBudget, match="dpq needs at least"):
        DPQ.build(SPEC, 300, 0)


@pytest.mark.parametrize(("cls", "parts", "bits"), [(DPQ, 4, 3), (MGQE, 4, 5)])
def test_columns_that_only_fill_up_have_no_say_in_the_choice(cls, parts, bits):
    spec = TableSpec((50, 30), 7, torch.ones(80, dtype=torch.int64), 0.05)
    options = {"frequent": 0.9} if cls is MGQE else {}
    table = cls([50, 30], 7, parts, bits, **options)
    table.reset(spec, generator(0, "test"))
    last = (table.queries[:5, 6:] - table.centroids[3, :, :1].T).abs().argmin(-1)
    assert torch.equal(table.codes()[:5, 3], last)
    assert table(torch.arange(80)).shape == (80, 7)


@pytest.mark.parametrize(("cls", "options"), [(DPQ, {}), (DPQ, {"mode": "sx"}), (MGQE, {})])
def test_what_is_served_is_what_was_trained(cls, options):
    trainer = run_recipe(cls, share=0.5, data=toy(events=1000), epochs=1, **options)
    fresh = cls.build(trainer.spec, trainer.budget, 0, **options)
    again = run_recipe(type("Kept", (cls,), {"recipe": lambda self, t: t.fit()}), share=0.5,
                       data=toy(events=1000), epochs=1, **options)  # fmt: skip
    ids = torch.arange(trainer.spec.rows)
    trained = again.model.table.eval()
    assert torch.equal(trainer.model.table(ids), trained(ids))
    assert not torch.equal(trained(ids), fresh.eval()(ids))


def test_rare_ids_of_mgqe_use_the_first_quarter_of_the_centroids():
    table = build(MGQE)
    codes, few = table.codes(), 2 ** (table.bits - 2)
    assert hot_rows([50, 30], 0.1) == [5, 3]
    frequent = torch.tensor([*range(5), *range(50, 53)])
    rare = torch.ones(80, dtype=torch.bool)
    rare[frequent] = False
    assert codes[rare].max() < few <= codes[frequent].max()
    nearest = by_distance(table, frequent)
    assert torch.equal(codes[frequent], nearest), "frequent ids choose among all"
    table.train()
    for ids in (torch.arange(80), torch.arange(10, 40), frequent):  # both groups, and one alone
        assert torch.equal(table(ids), table.chosen(codes[ids]))
    served = table.coded()
    assert torch.equal(served(torch.arange(80)), table.chosen(codes))
    assert torch.equal(unpack(served.rare_codes, table.bits - 2, table.parts), codes[rare])
    assert served.frequent_codes.shape[0] == 8


def test_mgqe_refuses_ids_that_are_not_ordered_by_frequency():
    spec = TableSpec((50, 30), 8, torch.arange(80))
    with pytest.raises(StudyError, match="mgqe needs the ids of a field ordered"):
        MGQE.build(spec, 4 * spec.full_bytes, 0)


def test_no_size_is_found_in_training():
    assert not [name for name, table in METHODS.items() if table.sized_in_training]
