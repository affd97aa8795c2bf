"""The uncompressed table, trained once and trained on."""

import torch
from recipes import run_recipe

from embedstudy.tables.reference.full import Full, FullTwoPhases


def test_the_second_phase_starts_where_the_first_one_was_best_with_a_fresh_adam():
    seen = {}

    class Watched(FullTwoPhases):
        def parameter_groups(self):  # asked when a phase begins
            seen["rows"] = self.rows.detach().clone()
            return super().parameter_groups()

    once = run_recipe(Full, share=2.0)
    twice = run_recipe(Watched, share=2.0)
    assert torch.equal(seen["rows"], once.model.table.rows)
    assert [fit.phase for fit in twice.fits] == ["full", "second"]
    assert twice.fits[0].best == once.fits[0].best
    assert twice.fits[1].epochs > 0
    (state,) = (s for p, s in twice.optimizer.state.items() if p is twice.model.table.rows)
    steps = -(-len(twice.data.train.labels) // twice.config.batch)
    assert state["step"] == twice.fits[1].epochs * steps, "moments of the first phase are gone"


def test_what_is_served_is_the_best_epoch_of_the_second_phase_uncompressed():
    trainer = run_recipe(FullTwoPhases, share=2.0)
    table = trainer.model.table
    assert trainer.validate() == trainer.fits[1].best
    assert 0 < table.compact().bytes() - trainer.spec.full_bytes < 500
    assert not torch.equal(table.rows, run_recipe(Full, share=2.0).model.table.rows)
