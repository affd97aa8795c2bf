"""Golden runs: what is said of the same bytes, and of others."""

import json

import numpy as np
import pytest

from embedstudy.checks import replicate
from embedstudy.core.errors import StudyError
from embedstudy.study.engine.outcome import Outcome


def figures(scores, auc=0.75):
    return replicate.golden(Outcome({"test_auc": auc}, {}, {"test": np.array(scores, np.float32)}))


def test_equal_scores_are_the_same_bytes():
    kept = {"one": {"versions": {}, "runs": {"full": figures([0.1, 0.2])}}}
    table = replicate.compare({"full": figures([0.1, 0.2])}, kept)
    assert table["same"].to_list() == [True]
    assert replicate.sentences(table) == ["one: same bytes in all 1 runs."]


def test_other_bytes_are_told_by_how_much():
    old = {"full": figures([0.1, 0.2]), "hash": figures([0.5, 0.5])}
    new = {"full": figures([0.1, 0.2]), "hash": figures([0.5, 0.5625], auc=0.7)}
    table = replicate.compare(new, {"one": {"versions": {}, "runs": old}})
    (said,) = replicate.sentences(table)
    assert "same bytes in 1 of 2 runs" in said
    assert "at most 0.0500 AUC and 6.2e-02 in a score (hash)" in said


def test_the_last_bit_of_the_last_score_counts():
    scores = np.linspace(0, 1, 200, dtype=np.float32)
    other = scores.copy()
    other[-1] = np.nextafter(other[-1], np.float32(2))
    assert figures(scores)["scores"] != figures(other)["scores"]
    assert figures(scores)["first"] == figures(other)["first"]


def test_every_golden_run_can_start():
    from embedstudy.study.tables.run import check

    for run in replicate.runs():
        check(run)


def test_a_processor_joins_the_record_and_leaves_the_others(project, monkeypatch, capsys):
    path = project / "golden.json"
    path.write_text(json.dumps({"other": {"versions": {}, "runs": {"full": figures([0.1])}}}))
    monkeypatch.setattr(replicate, "FILE", path)
    monkeypatch.setattr(replicate, "trained", lambda: {"full": figures([0.25])})
    monkeypatch.setattr(replicate, "processor", lambda: "mine")
    replicate.main([])
    assert set(json.loads(path.read_text())) == {"other"}
    replicate.main(["--keep"])
    assert set(json.loads(path.read_text())) == {"other", "mine"}
    assert "other: same bytes in 0 of 1 runs" in capsys.readouterr().out


def test_generations_of_one_name_are_told_apart(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\n")
    assert replicate.processor(file) == "AMD EPYC, cpu family 25, model 17"


def test_without_data_it_is_told_what_to_do(project, monkeypatch):
    monkeypatch.setattr(replicate, "is_prepared", lambda name: False)
    with pytest.raises(StudyError, match="prepare-movielens"):
        replicate.main([])
