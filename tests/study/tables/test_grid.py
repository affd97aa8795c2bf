from embedstudy.study.tables.grid import Variant, table_runs

COMMON = {
    "datasets": ["a", "b"],
    "backbones": ["dcnv2"],
    "budgets": [0.5, 0.1],
    "seeds": {"a": [0, 1], "b": [0]},
    "events": {"b": 1000},
    "dim": 16,
    "init_std": 0.01,
    "backbone_options": {},
    "train": {},
}


def test_every_variant_meets_every_budget_and_seed_and_full_runs_once_a_seed():
    runs = table_runs("f", [Variant("QR", "qr", {"op": "mul"})], **COMMON)
    full = [r for r in runs if r["method"] == "full"]
    assert [(r["dataset"], r["family"], r["budget"], r["seed"]) for r in full] == [
        ("a", "reference", 1.0, 0),
        ("a", "reference", 1.0, 1),
        ("b", "reference", 1.0, 0),
    ]
    assert [(r["dataset"], r["budget"], r["seed"]) for r in runs if r["family"] == "f"] == [
        ("a", 0.5, 0),
        ("a", 0.5, 1),
        ("a", 0.1, 0),
        ("a", 0.1, 1),
        ("b", 0.5, 0),
        ("b", 0.1, 0),
    ]
    assert {r["events"] for r in runs if r["dataset"] == "a"} == {None}
    assert {r["events"] for r in runs if r["dataset"] == "b"} == {1000}


def test_a_variant_may_be_of_another_family_and_have_budgets_of_its_own():
    variants = [Variant("fp16", "half", budgets=(0.51,)), Variant("LR", "low_rank", family="g")]
    runs = [r for r in table_runs("f", variants, **COMMON) if r["dataset"] == "b"]
    assert [(r["family"], r["method"], r["budget"]) for r in runs if r["method"] != "full"] == [
        ("f", "half", 0.51),
        ("g", "low_rank", 0.5),
        ("g", "low_rank", 0.1),
    ]
