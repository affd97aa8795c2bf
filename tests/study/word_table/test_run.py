"""One run on the word table: saved, loaded again and judged, with a tiny encoder in MiniLM's place."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tiny_encoder import write_encoder

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import read
from embedstudy.encoders.core import encode, pretrained
from embedstudy.study.engine.result import GridResult
from embedstudy.study.engine.store import digest
from embedstudy.study.evidence.comparisons import compare_to_full
from embedstudy.study.evidence.text_evidence import TextEvidence
from embedstudy.study.word_table import findings as word_table_findings
from embedstudy.study.word_table import run as word_table_run
from embedstudy.study.word_table.grid import WordTable, word_table_runs
from embedstudy.study.word_table.settings import WordTableSettings

WORDS = ["the", "cat", "dog", "sat", "on", "mat", "wing", "flow"]
SETTINGS = {
    "seeds": [0],
    "tasks": {"docs": {"queries": 10, "documents": 20}},
    "domain": {"docs": 30},
    "length": 12,
    "fit": {"steps": 5, "batch": 64, "lr": 0.01},
    "recovery": {"steps": 3, "batch": 4, "lr": 0.01},
}
LINES = [
    WordTable("weighted SVD", "svd", (0.5,), {"weighted": True}, recovered=True),
    WordTable("hash trick", "hash", (0.5,), {"floor": 2}),
    WordTable("trimmed", "trim", (0.97,)),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("tiny") / "made")


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(paths, "PREPARED", tmp_path)
    monkeypatch.setattr(pretrained, "minilm", lambda: pretrained.load_encoder(tiny))
    teacher = pretrained.load_encoder(tiny)
    monkeypatch.setattr(
        word_table_run, "vectors", lambda path, texts: encode.encode(teacher, texts)
    )
    rng = np.random.default_rng(0)
    (tmp_path / "docs").mkdir()
    for split in ("train", "test"):
        texts = [" ".join(rng.choice(WORDS, 4)) for _ in range(80)]
        frame = {"query": [text[:8] for text in texts], "document": texts}
        pl.DataFrame(frame).write_parquet(tmp_path / "docs" / f"{split}.parquet")


def outcome(run):
    word_table_run.check(run)
    return word_table_run.work(run, lambda *_: None)


def test_the_grid_lists_recovery_beside_the_plain_form():
    grid = word_table_runs(LINES, read(WordTableSettings, SETTINGS))
    labels = [run.label for run in grid]
    expected = ["weighted SVD", "hash trick", "trimmed", "weighted SVD + recovery"]
    assert labels == ["all-MiniLM-L6-v2", *expected]
    assert [run.recovery.steps for run in grid] == [0, 0, 0, 0, 3]


def test_every_line_is_judged_and_smaller_than_the_whole():
    grid = word_table_runs(LINES, read(WordTableSettings, SETTINGS))
    labels = [run.label for run in grid]
    ends = [outcome(run) for run in grid]
    full = ends[0].result["serve_bytes"]
    for run, end in zip(grid[1:], ends[1:], strict=True):
        assert end.arrays["docs"].shape == (10,)
        assert end.result["serve_bytes"] < full, run.label
    trimmed = ends[labels.index("trimmed")].result
    assert trimmed["length_growth.docs"] >= 0
    assert 0 <= trimmed["unknown.docs"] < 1
    assert 0 < trimmed["unmet"] < 1
    assert "unmet" not in ends[0].result
    rows = pl.DataFrame(
        [
            {"key": f"k{i}", "status": "ok"} | run.identity() | {"serve_bytes": 1}
            for i, run in enumerate(grid)
        ],
        infer_schema_length=None,
    )
    scores = {f"k{i}.docs": end.arrays["docs"].astype(np.float32) for i, end in enumerate(ends)}
    gathered = TextEvidence.of(
        GridResult(rows, pl.DataFrame(scores), pl.DataFrame(), pl.DataFrame())
    )
    said = word_table_findings.findings(gathered, compare_to_full(gathered))
    assert any(s.startswith("docs: recovery adds") for s in said)
    assert any(s.startswith("docs: trimming keeps") for s in said)
    added = word_table_findings.recovery(gathered)
    assert added["label"].to_list() == ["weighted SVD"]
    values = {row["label"]: row["quality"] for row in gathered.ok.to_dicts()}
    difference = values["weighted SVD + recovery"] - values["weighted SVD"]
    assert added["delta"][0] == pytest.approx(difference)
    assert "weighted SVD + recovery" not in word_table_findings.fitted(gathered.rows)["label"]


def test_a_run_is_the_same_a_second_time():
    run = word_table_runs(LINES[:1], read(WordTableSettings, SETTINGS))[2]
    first, second = outcome(run), outcome(run)
    assert first.arrays["docs"].tobytes() == second.arrays["docs"].tobytes()
    assert first.result == second.result


def test_mistakes_are_one_sentence():
    run = word_table_runs(LINES, read(WordTableSettings, SETTINGS))[1]
    with pytest.raises(StudyError, match="Unknown method 'zip': choose from full, trim"):
        word_table_run.check(replace(run, method="zip"))
    with pytest.raises(StudyError, match="Budget 2 of 'weighted SVD' is impossible"):
        word_table_run.check(replace(run, budget=2))


@pytest.mark.parametrize("method", word_table_run.TABLES)
def test_every_table_comes_back_from_disk_as_it_was_fitted(tmp_path, monkeypatch, method):
    monkeypatch.setattr(paths, "RUNS", tmp_path / ".cache" / "runs")
    line = WordTable(method, method, (0.9,), recovered=True)
    _, plain, recovered = word_table_runs([line], read(WordTableSettings, SETTINGS))
    for run in (plain, recovered):
        alone, again = (
            outcome(run),
            [outcome(replace(run, shared={"fit": "key"})) for _ in range(2)],
        )
        for other in again:
            assert alone.arrays["docs"].tobytes() == other.arrays["docs"].tobytes()


def test_a_table_is_fitted_once_for_both_of_its_forms(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / ".cache" / "runs")
    grid = word_table_runs(LINES[:1], read(WordTableSettings, SETTINGS))
    key = digest(word_table_run.shares(grid[1])["fit"][0])
    assert key == digest(word_table_run.shares(grid[2])["fit"][0])
    alone = [outcome(run) for run in grid[1:]]
    together = [outcome(replace(run, shared={"fit": key})) for run in grid[1:]]
    assert len(list((tmp_path / ".cache" / "trained").glob("*.safetensors"))) == 1
    for one, other in zip(alone, together, strict=True):
        assert one.result == other.result
        assert one.arrays["docs"].tobytes() == other.arrays["docs"].tobytes()
