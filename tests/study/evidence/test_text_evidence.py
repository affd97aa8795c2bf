"""Evidence on text: one line a run and task, paired by example."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.report.record import record
from embedstudy.study.codes import findings as code_questions
from embedstudy.study.encoder import findings as encoder_baseline
from embedstudy.study.engine.result import GridResult
from embedstudy.study.evidence import claims, comparisons
from embedstudy.study.evidence.text_evidence import TextEvidence

QUERIES = 400
NOISE = {"fp32": 0.0, "good": 0.02, "bad": 0.3}
CLAIM = {
    "id": "c", "text": "t", "source": "s", "chapter": "codes/codecs", "left": {"label": "bad"},
    "right": {"method": "full"}, "budgets": [0.25], "margin": -1,
}  # fmt: skip


def run(label, seed, *, status="ok", budget=0.25):
    full = label == "fp32"
    return {
        "key": f"{label}{seed}",
        "place": "codes",
        "backbone": "mini",
        "family": "reference" if full else "codecs",
        "method": "full" if full else "codec",
        "label": label,
        "budget": 1.0 if full else budget,
        "seed": seed,
        "serve_bytes": 1536.0 if full else 384.0,
        "full_bytes": 1536,
        "status": status,
        "agreement.docs": 1.0 - NOISE.get(label, 0.5),
        "agreement.reviews": 1.0 - NOISE.get(label, 0.5),
        "rankme.docs": 10.0 * NOISE.get(label, 1.0),
    }


@pytest.fixture
def result():
    """fp32 once, two codecs with two seeds on two tasks, and one that was not feasible."""
    rng = np.random.default_rng(0)
    base = {task: rng.random(QUERIES) for task in ("docs", "reviews")}
    runs = [run("fp32", 0)]
    runs += [run(label, seed) for label in ("good", "bad") for seed in (0, 1)]
    scores = {}
    for line in runs:
        for task, values in base.items():
            lost = NOISE[line["label"]] * rng.random(QUERIES)
            values = np.clip(values - lost, 0, 1).astype(np.float32)
            scores[f"{line['key']}.{task}"] = pl.Series(values)
    rows = pl.DataFrame([*runs, run("tiny", 0, status="infeasible")])
    return GridResult(rows, pl.DataFrame(scores), pl.DataFrame(), pl.DataFrame())


def test_one_line_a_run_and_task(result):
    rows = TextEvidence.of(result).rows
    assert rows.height == 5 * 2 + 2
    assert rows.filter(pl.col("label") == "good")["dataset"].to_list() == ["docs", "reviews"] * 2
    first = rows.row(0, named=True)
    assert first["quality"] == pytest.approx(100 * result.scores["fp320.docs"].mean(), rel=1e-6)
    assert rows.filter(pl.col("label") == "tiny")["quality"].to_list() == [None, None]


def test_one_deterministic_run_stands_for_every_seed_of_the_other_side(result):
    gathered = TextEvidence.of(result)
    docs = gathered.ok.filter(pl.col("dataset") == "docs")
    bad, full = (docs.filter(pl.col("label") == name) for name in ("bad", "fp32"))
    effect = gathered.effect(bad, full)
    assert effect.effect == pytest.approx(bad["quality"].mean() - full["quality"].mean())
    assert effect.high < 0
    reverse = gathered.effect(full, bad)
    assert reverse.effect == pytest.approx(-effect.effect)


def test_sentences_are_in_points(result):
    gathered = TextEvidence.of(result)
    comparison = comparisons.compare_to_full(gathered)
    said = comparisons.nearest(comparison, gathered.quality, "fp32")
    assert said[0].startswith("docs, mini, 1/4 of the bytes: good comes closest to fp32 (-")
    assert "points" in said[0]
    alone = comparisons.nearest(
        comparison.filter(pl.col("label") == "bad"), gathered.quality, "fp32"
    )
    assert alone[0].startswith("docs, mini, 1/4 of the bytes: bad loses against fp32 (-")
    assert comparisons.not_ok(gathered.rows) == [
        "docs: tiny is not feasible at 1/4.",
        "reviews: tiny is not feasible at 1/4.",
    ]
    table = comparisons.summary(gathered.rows, gathered.quality)
    line = table.filter(pl.col("label") == "bad", pl.col("dataset") == "docs").row(0, named=True)
    assert (line["seeds"], line["status"]) == (2, "ok")
    assert line["delta"] < 0


def test_claims_name_the_chapter_they_are_about(result):
    elsewhere = CLAIM | {"id": "d", "chapter": "encoders/baseline"}
    table = claims.evaluate({"codes/codecs": TextEvidence.of(result)}, [CLAIM, elsewhere])
    assert table["id"].to_list() == ["c", "c"]
    assert table["verdict"].to_list() == ["does not hold"] * 2
    assert "points (95 % interval" in claims.findings(table)[0]


def test_a_claim_in_per_cent_is_judged_and_told_in_per_cent(result):
    """``bad`` keeps about 70 % of the quality: more than 25 % lost, not more than 40 %."""
    kept = CLAIM | {"unit": "%"}
    one, two = (
        claims.evaluate({"codes/codecs": TextEvidence.of(result)}, [kept | {"margin": margin}])
        for margin in (-40, -20)
    )
    assert one["verdict"].to_list() == ["holds"] * 2
    assert two["verdict"].to_list() == ["does not hold"] * 2
    assert one["unit"].to_list() == ["%"] * 2
    assert " % (95 % interval" in claims.findings(one)[0]


def publish(result, folder):
    """Write what a chapter keeps of its grid."""
    folder.mkdir(parents=True)
    for name in ("rows", "scores", "labels"):
        getattr(result, name).write_parquet(folder / f"{name}.parquet")


def test_a_record_of_a_chapter_on_text_keeps_its_verdicts(result, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    publish(result, tmp_path / "codes" / "codecs")
    monkeypatch.setattr(claims, "read", lambda _: [CLAIM])
    record("mine", ["codes/codecs"])
    kept = json.loads((tmp_path / "full" / "mine.json").read_text())
    assert len(kept["rows"]) == 5 * 2 + 2
    assert [v["verdict"] for v in kept["verdicts"]] == ["does not hold"] * 2
    assert kept["verdicts"][0]["high"] < 0
    assert "nDCG@10" in (tmp_path / "full" / "mine.svg").read_text()


def test_a_record_without_sizes_has_no_chart(result, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    unsized = pl.when(pl.col("method") == "full").then("serve_bytes")
    rows = result.rows.with_columns(unsized, place=pl.lit("encoders"))
    publish(replace(result, rows=rows), tmp_path / "encoders" / "baseline")
    monkeypatch.setattr(claims, "read", lambda _: [])
    record("mine", ["encoders/baseline"])
    assert (tmp_path / "full" / "mine.json").is_file()
    assert not (tmp_path / "full" / "mine.svg").exists()


def test_the_winner_of_a_size_is_chosen_without_labels(result):
    table = code_questions.contest(TextEvidence.of(result), 0.25)
    assert set(table["best"]) == {"good"}
    bad = table.filter(pl.col("label") == "bad", pl.col("dataset") == "docs").row(0, named=True)
    assert bad["delta"] < 0
    assert bad["p"] < 0.05
    said = code_questions.contest_findings(table, 384)[0]
    assert said.startswith("docs, 384 bytes a vector: good agrees most with exact search")
    assert said.endswith("all others are told apart.")


def test_rescoring_counts_swapped_pairs(result):
    gathered = TextEvidence.of(result)
    pairs = {"good": "bad", "bad": "good"}  # each becomes the other, so the only pair swaps
    table = code_questions.rescoring(gathered, pairs, 0.25)
    assert table.filter(pl.col("dataset") == "docs")["place_before"].to_list() == [1, 2]
    assert table.filter(pl.col("dataset") == "docs")["place_after"].to_list() == [2, 1]
    assert "swaps 1 of 1 pairs" in code_questions.rescoring_findings(table)[0]


def test_a_statistic_that_orders_codecs_backwards_is_told(result):
    table = code_questions.predictors(TextEvidence.of(result))
    docs = dict(table.filter(pl.col("dataset") == "docs").select("statistic", "correlation").rows())
    assert docs["agreement"] > 0.8
    assert docs["rankme"] == pytest.approx(-docs["agreement"])
    assert "agreement orders them best" in code_questions.predictor_findings(table)[0]


def test_int8_sentences_compare_rule_and_rounding():
    lines = [("int8-codes", -4.0), ("int8", -0.4), ("int8-codes-unrounded", -3.9)]
    effects = pl.DataFrame(
        [
            {"dataset": "docs", "label": label, "delta": d, "low": d - 0.1, "high": d + 0.1}
            for label, d in lines
        ]
    )
    said = code_questions.integer_findings(effects)
    assert "raw int8 codes costs -4.00 points" in said[0]
    assert said[1] == "docs: de-quantising removes 90% of the loss of raw codes."


def test_published_figures_stand_beside_ours():
    rows = pl.DataFrame(
        {
            "dataset": ["STS-B", "docs", "scifact"],
            "method": ["full"] * 3,
            "quality": [82.04, 50.0, 63.0],
            "bytes.word table": [60, 60, 60],
            "bytes.attention": [40, 40, 40],
        }
    )
    table = encoder_baseline.against_published(rows)
    differences = dict(table.select("dataset", "difference").rows())
    assert differences == pytest.approx({"STS-B": 0.01, "scifact": -1.51})
    parts = encoder_baseline.bytes_by_part(rows)
    lexical = pl.DataFrame({"dataset": ["docs"], "delta": [-9.0], "low": [-10.0], "high": [-8.0]})
    said = encoder_baseline.findings(table, lexical, parts)
    assert said[0].startswith("1 of 2 published figures come out within 0.1 points")
    assert said[1].startswith("docs: BM25 is worse than the encoder (-9.00 points")
    assert said[2].startswith("The word table takes 60.0%")


def test_the_example_of_chapter_20_by_hand():
    vectors = {"query": [1.0, 0.0], "a": [0.6, 0.8], "b": [0.8, -0.6], "c": [0.0, 1.0]}
    assert encoder_baseline.one_query(vectors, "b") == 1
    assert encoder_baseline.one_query(vectors, "a") == pytest.approx(1 / np.log2(3))
