import pytest

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.study.tables import run as tables_run

RUN = {
    "place": "tables",
    "dataset": "toy",
    "backbone": "dcnv2",
    "family": "reference",
    "method": "full",
    "label": "full",
    "options": {},
    "budget": 1.0,
    "seed": 0,
    "dim": 8,
    "init_std": 0.05,
    "events": None,
    "min_count": 1,
    "backbone_options": {"hidden": [16], "dropout": 0.0},
    "train": {"batch": 128, "lr": 0.01, "epochs": 6},
    "device": "cpu",
}


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
    run = RUN | {"family": "sharing_rows", "method": "hash", "budget": 0.5}
    result = tables_run.work(run, silent).result
    assert result["serve_bytes"] <= result["budget_bytes"] == 77 * 8 * 4 // 2


def test_a_run_that_leaves_budget_unused_says_why(prepared):
    run = RUN | {"family": "baselines", "method": "low_rank", "budget": 0.36}
    result = tables_run.work(run, silent).result
    assert result["serve_bytes"] < 0.9 * result["budget_bytes"]
    assert "its sizes come in steps" in result["budget_note"]
    assert tables_run.work(RUN, silent).result["budget_note"] is None


def test_a_budget_below_the_header_is_not_feasible(prepared):
    with pytest.raises(InfeasibleBudget):
        tables_run.work(RUN | {"family": "sharing_rows", "method": "hash", "budget": 0.001}, silent)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "magic"}, "Unknown method 'magic' in family 'reference': choose one of full"),
        ({"family": "magic"}, "no family of tables called 'magic'"),
        ({"backbone": "magic"}, "Unknown backbone 'magic'"),
        ({"budget": 0}, "Budget 0 of method 'full' is impossible"),
        ({"options": {"rank": 3}}, "Method 'full' has no option 'rank'"),
        ({"train": {"monitor": "f1"}}, "train.monitor is 'f1': choose logloss or auc"),
        ({"train": {"epoch": 3}}, "Unknown training parameter 'epoch'"),
    ],
)
def test_what_cannot_run_is_refused_before_it_starts(change, sentence):
    with pytest.raises(StudyError, match=sentence):
        tables_run.check(RUN | change)
