"""What chapter 30 says of rows: codecs fitted on the corpus, and few training vectors."""

import numpy as np
import polars as pl
import pytest

from embedstudy.study.codes import findings
from embedstudy.study.engine.result import GridResult
from embedstudy.study.evidence.text_evidence import TextEvidence

GAINS = {"pca-fp32": 0.1, "itq": 0.0, "pq": -0.1}  # of nDCG, on the own corpus


@pytest.fixture
def evidence():
    rng = np.random.default_rng(0)
    base, rows, scores = rng.uniform(0.3, 0.6, 400), [], {}

    def add(label, method, gain, bytes_, trained=None):
        key = f"{label}-{bytes_}"
        budget = bytes_ / 1536
        rows.append(
            {"key": key, "backbone": "mini", "label": label, "method": method, "budget": budget}
            | {"seed": 0, "status": "ok", "code_bytes": bytes_, "agreement.docs": 0.5 + gain}
            | {"train_per_centroid": trained}
        )
        noise = 0.02 * rng.normal(size=400)
        scores[f"{key}.docs"] = pl.Series((base + gain + noise).astype(np.float32))

    add("fp32", "full", 0.2, 1536)
    for name, gain in GAINS.items():
        add(name, "codec", 0.0, 48, 8.0 if name == "pq" else None)
        add(f"{name} (own corpus)", "codec", gain, 48, 40.0 if name == "pq" else None)
    add("pca-fp32", "codec", 0.1, 96)
    result = GridResult(pl.DataFrame(rows), pl.DataFrame(scores), pl.DataFrame(), pl.DataFrame())
    return TextEvidence.of(result)


def test_a_codec_is_compared_with_itself_of_the_same_size(evidence):
    table = findings.own_corpus(evidence)
    assert table["label"].to_list() == [f"{name}, 48 bytes" for name in GAINS]
    assert table["delta"].to_list() == pytest.approx([10, 0, -10], abs=0.5)
    assert (table["own"] - table["foreign"]).to_list() == pytest.approx(table["delta"].to_list())
    (said,) = findings.own_corpus_findings(table)
    assert said.startswith("docs, fitted on the searched corpus against other texts: better: pca")
    assert "; worse: pq, 48 bytes -" in said
    assert "; not told apart: itq, 48 bytes " in said


def test_nothing_fitted_twice_gives_an_empty_table(evidence):
    plain = evidence.rows.filter(~pl.col("label").str.ends_with(")"))
    table = findings.own_corpus(TextEvidence(plain, evidence.scores, {}))
    assert table.is_empty()
    assert findings.own_corpus_findings(table) == []


def test_the_contest_and_the_frontier_are_on_equal_terms(evidence):
    labels = findings.contest(evidence, 48 / 1536)["label"].to_list()
    assert sorted(labels) == ["itq", "pca-fp32", "pq"]
    assert not findings.kinds(evidence.rows)["label"].str.ends_with(")").any()


def test_few_training_vectors_are_named(evidence):
    (said,) = findings.few_training_vectors(evidence.rows)
    assert "Fewer than the 39 training vectors a centroid" in said
    assert "(down to 8): pq. " in said
    assert findings.few_training_vectors(evidence.rows.filter(pl.col("label") != "pq")) == []
