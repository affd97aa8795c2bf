import json

import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.report import summary

ROW = {
    "place": "tables",
    "dataset": "toy",
    "backbone": "dcnv2",
    "family": "f",
    "method": "full",
    "label": "full table",
    "budget": 1.0,
    "seed": 0,
    "status": "ok",
    "test_auc": 0.8123456,
    "test_logloss": 0.5,
    "serve_bytes": 1000,
    "full_bytes": 900,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two chapters that share the run of the full table."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr(summary, "FOLDER", tmp_path / "summary")
    missing = {"test_auc": None, "test_logloss": None, "serve_bytes": None, "full_bytes": None}
    chapters = {
        "one": [ROW | {"key": "a"}, ROW | {"key": "b", "label": "qr", "method": "qr", "budget": 0.1}],
        "two": [
            ROW | {"key": "a"},
            ROW | missing | {"key": "c", "label": "tt", "method": "tt", "budget": 0.01}
            | {"status": "infeasible"},
        ],
    }  # fmt: skip
    for name, rows in chapters.items():
        (tmp_path / name).mkdir()
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / name / "rows.parquet")
        pl.DataFrame({row["key"]: [0.5] for row in rows}).write_parquet(
            tmp_path / name / "scores.parquet"
        )
    return tmp_path


def test_metrics_are_rounded_and_say_what_was_not_feasible(folder):
    summary.write(["one", "two"])
    found = json.loads((folder / "summary" / "metrics.json").read_text())["toy"]["dcnv2"]
    assert found["full table"]["full"]["test_auc"] == 0.81235
    assert found["qr"]["1/10"]["serve_bytes"] == 1000
    assert found["tt"]["1/100"] == {"test_auc": None, "serve_bytes": None, "status": "infeasible"}


def test_the_series_holds_each_shared_run_once(folder):
    summary.write(["one", "two"])
    series = json.loads((folder / "summary" / "frontier.json").read_text())
    assert [point["label"] for point in series] == ["full table", "qr"]
    assert (folder / "summary" / "frontier-toy.svg").stat().st_size > 1000


def test_writing_twice_gives_the_same_bytes(folder):
    def files():
        summary.write(["one", "two"])
        return {p.name: p.read_bytes() for p in (folder / "summary").iterdir()}

    assert files() == files()


def test_a_chapter_without_rows_is_one_sentence(folder):
    with pytest.raises(StudyError, match="Chapter 'three' has no rows yet: run 'dvc repro'"):
        summary.write(["three"])


def test_a_record_keeps_rows_settings_and_origin(folder):
    from embedstudy.report.record import record

    rows = pl.read_parquet(folder / "one" / "rows.parquet")
    rows = rows.with_columns(pl.lit(16).alias("dim"), pl.lit(0.1).alias("train.lr"))
    rows.write_parquet(folder / "one" / "rows.parquet")
    record("mine", ["one"], published=0.9)
    kept = json.loads((folder / "full" / "mine.json").read_text())
    assert kept["settings"] == {"train.lr": 0.1, "dim": 16}
    assert [row["label"] for row in kept["rows"]] == ["full table", "qr"]
    assert kept["published_full_table_auc"] == 0.9
    assert "published 0.9000" in (folder / "full" / "mine.svg").read_text()


@pytest.mark.parametrize("path", sorted((paths.ROOT / "results" / "full").glob("*.json")), ids=str)
def test_recorded_studies_are_json(path):
    assert json.loads(path.read_text(encoding="utf-8"))
