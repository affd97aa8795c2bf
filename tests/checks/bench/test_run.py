"""``make bench`` as a command: its table, its file, its sentences."""

import json

import polars as pl
import pytest

from embedstudy.checks.bench import __main__ as command
from embedstudy.checks.bench import outside, run
from embedstudy.checks.bench.turns import Row
from embedstudy.study.engine import rows

PEER = Row("search", "queries", 123456.7, "faiss", 61234.5, 2.016, 0.9, "1.15")
MISSING = Row("train", "events", 5.0, "Fast", None, None, 2.5, "not installed: pip install fast")


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "REPORTS", tmp_path / "reports")
    return tmp_path / "reports"


def test_one_table_is_printed_and_written(reports, monkeypatch, capsys):
    measured = {"search": [PEER], "training": [MISSING]}
    monkeypatch.setattr(run, "_alone", lambda name, repeats, small: measured[name])
    command.main(["search", "training"])
    printed = capsys.readouterr().out
    for text in ("123,000", "61,200", "2.02", "queries/s", "pip install fast", "threads"):
        assert text in printed
    record = json.loads((reports / "bench.json").read_text())
    assert [line["ratio"] for line in record["rows"]] == [2.016, None]
    assert [line["comparison"] for line in record["rows"]] == ["search", "training"]
    assert record["make_repro"] is None


def test_a_comparison_runs_in_a_process_with_its_threads():
    table = run.compare(["lookup"], repeats=1, small=True)
    assert table["threads"].unique().to_list() == [1]
    assert table.height == 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["speed"], "There is no comparison 'speed': choose from training, encoding"),
        (["search", "--repeats", "0"], "--repeats is 0, it must be at least 1."),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(reports, arguments, sentence):
    with pytest.raises(SystemExit, match=sentence):
        command.main(arguments)
    assert not reports.exists()


def test_a_run_that_chapters_share_is_counted_once(tmp_path):
    times = {"a": 10.0, "b": 0.5, "c": 7.0}
    for chapter, keys in (("one", "ab"), ("tables/two", "ac")):
        spent = pl.DataFrame({"key": list(keys), "run_seconds": [times[k] for k in keys]})
        rows.write_frame(spent, tmp_path / "reports" / chapter / "times.parquet")
    (tmp_path / "reports" / "repro.json").write_text('{"seconds": 20}')
    share = outside.outside_runs(tmp_path / "reports", workers=2)
    assert share == {
        "repro_seconds": 20,
        "run_core_seconds": 17.5,
        "share_outside_runs": 0.562,
    }
