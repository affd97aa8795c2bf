from dataclasses import replace

import numpy as np
import pytest

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.study.tables import run as tables_run
from embedstudy.study.tables.data import load_ctr
from embedstudy.study.tables.types import TableRun, TrainConfig

RUN = TableRun(
    dataset="toy",
    backbone="dcnv2",
    backbone_options={"hidden": [16], "dropout": 0.0},
    family="reference",
    method="full",
    label="full",
    budget=1.0,
    seed=0,
    dim=8,
    init_std=0.05,
    train=TrainConfig(batch=128, lr=0.01, epochs=6),
)


def silent(fraction, text):
    assert 0 <= fraction <= 1, text


def test_a_run_reports_quality_of_the_served_file_and_its_size(prepared):
    outcome = tables_run.work(RUN, silent)
    result = outcome.result
    assert result["test_auc"] > 0.75
    assert result["full_bytes"] == 77 * 8 * 4
    assert result["serve_bytes"] == len(outcome.files["table.safetensors"]) > result["full_bytes"]
    assert set(result) >= {
        "valid_auc",
        "valid_logloss",
        "test_auc_hot",
        "test_auc_cold",
        "epochs",
        "versions",
    }
    assert outcome.volatile["train_seconds"] > 0
    assert outcome.arrays["test"].shape == (500,)


def test_two_runs_are_equal_to_the_last_bit(prepared):
    first, second = tables_run.work(RUN, silent), tables_run.work(RUN, silent)
    assert first.result == second.result
    assert first.files == second.files
    assert first.arrays["test"].tobytes() == second.arrays["test"].tobytes()


def test_a_compressed_run_stays_within_its_budget(prepared):
    run = replace(RUN, family="sharing_rows", method="hash", budget=0.5)
    result = tables_run.work(run, silent).result
    assert result["serve_bytes"] <= result["budget_bytes"] == 77 * 8 * 4 // 2


def test_a_run_that_leaves_budget_unused_says_why(prepared):
    run = replace(RUN, family="baselines", method="low_rank", budget=0.36)
    result = tables_run.work(run, silent).result
    assert result["serve_bytes"] < 0.9 * result["budget_bytes"]
    assert "its sizes come in steps" in result["budget_note"]
    assert tables_run.work(RUN, silent).result["budget_note"] is None


def test_a_budget_below_the_header_is_not_feasible(prepared):
    with pytest.raises(InfeasibleBudget):
        tables_run.work(replace(RUN, family="sharing_rows", method="hash", budget=0.001), silent)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "magic"}, "Unknown method 'magic' in family 'reference': choose one of full"),
        ({"family": "magic"}, "no family of tables called 'magic'"),
        ({"backbone": "magic"}, "Unknown backbone 'magic'"),
        ({"budget": 0}, "Budget 0 of method 'full' is impossible"),
        ({"options": {"rank": 3}}, "Method 'full' has no option 'rank'"),
    ],
)
def test_what_cannot_run_is_refused_before_it_starts(change, sentence):
    with pytest.raises(StudyError, match=sentence):
        tables_run.check(replace(RUN, **change))


def test_labels_are_those_of_the_test_split(prepared):
    labels = tables_run.labels(RUN)["toy"]
    assert np.array_equal(labels, load_ctr(prepared).test.labels.numpy())


def test_budgets_that_buy_the_same_sizes_are_twins(prepared):
    ranks = {"family": "generated_rows", "method": "tt_rec", "options": {"most_rank": 2}}
    large, larger = (replace(RUN, budget=budget, **ranks) for budget in (0.8, 0.9))
    assert tables_run.twin(large) == tables_run.twin(larger) is not None
    assert tables_run.twin(large) != tables_run.twin(replace(large, seed=1))
    first, second = (tables_run.work(run, silent) for run in (large, larger))
    other = tables_run.of_twin(larger, large, first)
    assert other.files == second.files
    assert other.result | {"same_as_budget": None} == second.result
    assert other.result["same_as_budget"] == 0.8
    searched = replace(RUN, family="fewer_nonzeros", method="magnitude", budget=0.5)
    assert tables_run.twin(searched) is None, "its size is found in training"
    hopeless = replace(RUN, family="sharing_rows", method="hash", budget=0.001)
    assert tables_run.twin(hopeless) is None
