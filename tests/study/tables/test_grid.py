from dataclasses import replace

import pytest

from embedstudy.core.errors import StudyError
from embedstudy.study.tables.grid import Variant, table_runs
from embedstudy.study.tables.settings import TableSettings

COMMON = TableSettings(
    datasets=["a", "b"],
    budgets=[0.5, 0.1],
    seeds={"a": [0, 1], "b": [0]},
    options={"qr": {"op": "add", "parts": 3}},
)


def test_every_variant_meets_every_budget_and_seed_and_full_runs_once_a_seed():
    runs = table_runs("f", [Variant("QR", "qr", {"op": "mul"})], COMMON)
    full = [r for r in runs if r.method == "full"]
    assert [(r.dataset, r.family, r.budget, r.seed) for r in full] == [
        ("a", "reference", 1.0, 0),
        ("a", "reference", 1.0, 1),
        ("b", "reference", 1.0, 0),
    ]
    assert [(r.dataset, r.budget, r.seed) for r in runs if r.family == "f"] == [
        ("a", 0.5, 0),
        ("a", 0.5, 1),
        ("a", 0.1, 0),
        ("a", 0.1, 1),
        ("b", 0.5, 0),
        ("b", 0.1, 0),
    ]
    (options,) = {tuple(r.options.items()) for r in runs if r.family == "f"}
    assert dict(options) == {"op": "mul", "parts": 3}, "a line's own options come first"


def test_a_variant_may_be_of_another_family_and_have_budgets_of_its_own():
    variants = [Variant("fp16", "half", budgets=(0.51,)), Variant("LR", "low_rank", family="g")]
    settings = replace(COMMON, options={})
    runs = [r for r in table_runs("f", variants, settings) if r.dataset == "b"]
    assert [(r.family, r.method, r.budget) for r in runs if r.method != "full"] == [
        ("f", "half", 0.51),
        ("g", "low_rank", 0.5),
        ("g", "low_rank", 0.1),
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": {"a": [0]}}, "seeds has none for the data set 'b'"),
        ({"seeds": {"a": [0], "b": []}}, "seeds has none for the data set 'b'"),
        ({"budgets": []}, "budgets is empty"),
        (
            {"options": {"qrr": {}}},
            "options are given for 'qrr', which is no method of this chapter",
        ),
    ],
)
def test_settings_that_make_no_grid_are_one_sentence(change, sentence):
    with pytest.raises(StudyError, match=sentence):
        table_runs("f", [Variant("QR", "qr")], replace(COMMON, **change))
