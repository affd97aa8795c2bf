import numpy as np
import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.measure import quality
from embedstudy.measure.pareto import pareto
from embedstudy.study.evidence import claims, comparisons, frontier
from embedstudy.study.evidence.comparisons import Evidence
from embedstudy.study.tables.data import load_ctr

METHODS = [("full", "reference", 1.0), ("hash", "sharing_rows", 0.1), ("qr", "sharing_rows", 0.1)]
NOISE = {"full": 0.5, "hash": 4.0, "qr": 0.6}


@pytest.fixture
def study(prepared):
    """Three methods, two seeds: scores are the labels with more or less noise."""
    labels = load_ctr(prepared).test.labels.numpy()
    rows, scores = [], {}
    for method, family, budget in METHODS:
        for seed in (0, 1):
            rng = np.random.default_rng(seed)
            key = f"{method}-{seed}"
            values = labels + NOISE[method] * rng.normal(size=len(labels))
            scores[key] = pl.Series(key, values.astype(np.float32))
            auc = quality.auc(labels, scores[key].to_numpy())
            rows.append(
                {"key": key, "dataset": prepared, "backbone": "dcnv2", "family": family}
                | {"method": method, "label": method, "budget": budget, "seed": seed}
                | {"status": "ok", "test_auc": auc}
                | {"valid_auc": auc, "test_logloss": 0.5, "serve_bytes": 100, "full_bytes": 1000}
                | {"best_epoch": 3 + seed, "train.epochs": 4}
                | {"budget_note": "uses 50 % of it" if method == "qr" else None}
            )
    return Evidence(pl.DataFrame(rows), scores, {prepared: pl.Series(labels)})


def test_the_effect_is_the_mean_paired_difference(study):
    left, right = (study.rows.filter(pl.col("method") == m) for m in ("hash", "full"))
    effect = study.effect(left, right)
    assert effect.effect == pytest.approx(left["test_auc"].mean() - right["test_auc"].mean())
    assert effect.high < 0, "four times the noise must show as a loss"
    assert study.effect(left, right.filter(pl.col("seed") > 7)) is None


def test_events_of_one_user_are_resampled_together(study):
    """Each event ten times over: ten times the events tell no more than one of each."""
    (name,), again = study.labels, np.repeat(np.arange(len(next(iter(study.labels.values())))), 10)
    labels = {name: study.labels[name][again]}
    scores = {key: values[again] for key, values in study.scores.items()}
    groups = {f"{name}.group": pl.Series(again)}
    left, right = (study.rows.filter(pl.col("method") == m) for m in ("hash", "full"))
    alone, told = (
        Evidence(study.rows, scores, one).effect(left, right) for one in (labels, labels | groups)
    )
    assert told.error == pytest.approx(study.effect(left, right).error, rel=0.2)
    assert alone.error < 0.6 * told.error


def test_a_difference_in_per_cent_is_a_ratio_of_the_two(study):
    left, right = (study.rows.filter(pl.col("method") == m) for m in ("hash", "full"))
    effect = study.effect(left, right, percent=True)
    ratios = [a / b for a, b in zip(left["test_auc"], right["test_auc"], strict=True)]
    assert effect.effect == pytest.approx(100 * (np.mean(ratios) - 1))
    plain = study.effect(left, right)
    assert effect.low == pytest.approx(100 * plain.low / right["test_auc"].mean(), rel=0.1)


def test_a_summary_pairs_each_method_with_the_full_table_of_its_seed(study):
    table = comparisons.summary(study.rows)
    full = study.rows.filter(pl.col("method") == "full")["test_auc"].mean()
    line = table.filter(pl.col("label") == "qr").row(0, named=True)
    assert line["delta"] == pytest.approx(line["test_auc"] - full)
    assert line["seeds"] == 2
    assert table.filter(pl.col("label") == "full")["delta"].to_list() == pytest.approx([0])


def test_findings_name_the_closest_method_and_what_was_not_feasible(study):
    comparison = comparisons.compare_to_full(study)
    bad = study.rows.head(1).with_columns(status=pl.lit("infeasible"), label=pl.lit("memcom"))
    said = comparisons.findings(comparison, pl.concat([study.rows, bad]))
    assert "qr comes closest" in said[0]
    assert "1/10 of the bytes" in said[0]
    assert said[1].startswith("toy: 3 of 6 runs were still improving in their last allowed epoch")
    assert said[2] == "toy: qr at 1/10 uses 50 % of it."
    assert said[-1] == "toy: memcom is not feasible at full."


def test_pareto_keeps_what_nothing_beats_and_both_of_two_equals():
    points = [(100, 0.7), (200, 0.75), (300, 0.74), (200, 0.75), (200, 0.70)]
    assert pareto(points) == [True, True, False, True, False]


def test_pareto_with_slack_lets_a_slightly_larger_better_file_win():
    points = [(1000, 0.70), (1040, 0.75), (1200, 0.76)]
    assert pareto(points) == [True, True, True]
    assert pareto(points, slack=0.05) == [False, True, True]


def test_the_best_method_is_chosen_on_validation_not_on_test(study):
    study.rows = study.rows.with_columns(
        valid_auc=pl.when(pl.col("method") == "hash").then(0.99).otherwise(pl.col("valid_auc"))
    )
    assert frontier.best_per_budget(study)["label"].to_list() == ["hash"]


def test_the_best_methods_are_kept_as_numbers_where_the_report_reads_them(study, project):
    assert frontier.read() is None
    best = frontier.best_per_budget(study)
    frontier.write(best)
    assert frontier.read().equals(best.select(frontier.read().columns))
    assert (paths.RESULTS / "frontier" / "best.parquet").is_file()


CLAIM = {
    "id": "c",
    "text": "QR beats hashing",
    "source": "somewhere",
    "left": {"method": "qr"},
    "right": {"method": "hash"},
    "budgets": [0.1],
    "margin": 0,
}


def claim(**changes):
    return CLAIM | changes


def test_verdicts_follow_the_rows(study):
    swapped = claim(left={"method": "hash"}, right={"method": "qr"})
    table = claims.evaluate({"tables": study}, [claim(), swapped, claim(budgets=[0.5])])
    assert table["verdict"].to_list() == ["holds", "does not hold", "no runs"]
    effect = table["effect"][0]
    near = claims.evaluate({"tables": study}, [claim(margin=effect + 1e-4)])
    assert near["verdict"].to_list() == ["not decided"]
    assert "holds; qr minus hash" in claims.findings(table)[0]


def test_best_of_a_family_is_chosen_on_validation(study):
    table = claims.evaluate(
        {"tables": study},
        [claim(left={"family": "sharing_rows", "best": True}, right={"method": "full"})],
    )
    assert table["left"].to_list() == ["qr"]
    with pytest.raises(StudyError, match="left matches several methods .hash, qr.*best: true"):
        claims.evaluate({"tables": study}, [claim(left={"family": "sharing_rows"})])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id: x", "must be a list of claims"),
        ("- {id: a, txt: b}", "claim 'a': txt is not a parameter: did you mean 'text'"),
        ("- {id: a, text: b}", "claim 'a': source is missing"),
        ("- [", "is not valid YAML"),
        (b"- {id: caf\xe9}", "is not valid YAML: 'utf-8' codec"),
        ("[]", "claims.yaml states no claim"),
        (f"- {CLAIM | {'left': {}}}", "claim 'c': left names no runs: give it a label"),
        (f"- {CLAIM | {'right': {'best': True}}}", "claim 'c': right names no runs"),
        (
            f"- {CLAIM | {'left': {'labels': []}}}",
            r"claim 'c': left.labels is \[\]: .* at least one",
        ),
        (f"- {CLAIM | {'budgets': []}}", r"claim 'c': budgets is \[\]: .* at least one entry"),
        (f"- {CLAIM | {'margin': float('nan')}}", "claim 'c': margin is 'nan'"),
        ("- {id: a, text: b, text: c}", "line 1: 'text' occurs a second time"),
        (
            f"- {CLAIM | {'chapter': 'codes/codec'}}",
            "claim 'c': there is no chapter 'codes/codec': did you mean 'codes/codecs'",
        ),
    ],
)
def test_a_bad_claims_file_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "claims.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError, match=sentence):
        claims.read(path)


def test_an_unknown_method_in_a_claim_is_named(study):
    with pytest.raises(StudyError, match="no run has the method 'magic'; there are full, hash, qr"):
        claims.evaluate({"tables": study}, [claim(left={"method": "magic"})])


def test_the_committed_claims_can_be_read():
    assert len(claims.read(paths.ROOT / "claims.yaml")) >= 6
