"""The training loop as recipes use it: phases, stopping conditions, the trained full table."""

import pytest
import torch
from recipes import run_recipe, toy

from embedstudy.tables.core.base import Table
from embedstudy.tables.core.post_training import PostTraining
from embedstudy.tables.reference.full import Full


class Copy(PostTraining, Full):
    """Post-training compression that compresses nothing."""

    method = "copy"
    reset, recipe = PostTraining.reset, PostTraining.recipe

    @torch.no_grad()
    def approximate(self, weight, spec, rng):
        self.rows.copy_(weight)


class Steps(Full):
    """A search phase of five steps, then a phase on the validation split, then training."""

    method = "steps"

    def recipe(self, trainer):
        self.seen = []
        trainer.fit("search", until=lambda: len(self.seen) == 5, each_step=self.seen.append)
        self.after_search = self.rows.detach().clone()
        trainer.reset_backbone()
        self.epochs = []
        trainer.fit("train", epochs=2, each_epoch=self.epochs.append)


def test_a_phase_ends_with_its_condition_and_the_next_starts_from_there():
    trainer = run_recipe(Steps, share=2.0)
    table = trainer.model.table
    assert table.seen == [0, 1, 2, 3, 4]
    assert not torch.equal(table.after_search, table.rows)
    assert table.epochs == [1, 2]
    assert [(fit.phase, fit.epochs) for fit in trainer.fits] == [("search", 1), ("train", 2)]


def test_only_eligible_epochs_can_be_the_best():
    class Late(Full):
        def recipe(self, trainer):
            done = []
            trainer.fit(epochs=4, each_epoch=done.append, eligible=lambda: len(done) >= 4)

    assert run_recipe(Late, share=2.0).fits[0].best_epoch == 4


def test_post_training_starts_from_the_trained_full_table():
    trainer, full = run_recipe(Copy, share=2.0), run_recipe(Full, share=2.0)
    assert torch.equal(trainer.model.table.rows, full.model.table.rows)
    assert trainer.validate() == full.validate() == full.fits[-1].best


def test_compress_takes_a_weight_and_refuses_one_of_another_shape():
    spec = toy().spec(8, 0.05)
    weight = torch.randn(spec.rows, 8, generator=torch.Generator().manual_seed(0))
    table = Copy.compress(weight, spec, 2 * spec.full_bytes, seed=0)
    assert torch.equal(table(torch.arange(spec.rows)), weight)
    with pytest.raises(Exception, match=r"has shape \(720, 7\), the table is \(720, 8\)"):
        Copy.compress(weight[:, :7], spec, 2 * spec.full_bytes, seed=0)


def test_architecture_parameters_see_the_validation_split_in_rounds():
    trainer = run_recipe(Full, share=2.0)
    batches = [next(trainer._valid_batches) for _ in range(8)]
    seen = torch.cat([labels for _, labels in batches[:4]])
    assert len(seen) == len(trainer.data.valid.labels)
    assert seen.sum() == trainer.data.valid.labels.sum()
    assert not torch.equal(batches[0][0], batches[4][0])


def test_groups_set_their_own_rate():
    class Frozen(Full):
        recipe = Table.recipe

        def parameter_groups(self):
            return [{"params": [self.rows], "lr": 0.0}]

    trainer = run_recipe(Frozen, share=2.0)
    fresh = Frozen.build(trainer.spec, 2 * trainer.spec.full_bytes, 0)
    assert torch.equal(trainer.model.table.rows, fresh.rows)
