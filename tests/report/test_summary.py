import json

import polars as pl
import pytest
from tiny_site import write_catalogue

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.report import record, summary

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
CODE = ROW | {"place": "codes", "budget": 0.25, "label": "int8", "method": "integer"}
CHAPTERS = {
    "tables": {"one": {"notebook": "tables/11-one"}, "two": {"notebook": "tables/12-two"}},
    "codes": {"packed": {"notebook": "codes/30-packed", "settings": "m:C"}},
}


def write_results(folder, rows, scores):
    """A chapter's rows, with scores and labels of one event each."""
    folder.mkdir(parents=True)
    frames = {
        "rows": pl.DataFrame(rows, infer_schema_length=None),
        "scores": pl.DataFrame({name: [0.5] for name in scores}),
        "labels": pl.DataFrame({"toy": [1.0]}),
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def folder(project):
    """Results of two chapters on tables that share the run of the full table, and one on codes."""
    write_catalogue(project, CHAPTERS)
    missing = {"test_auc": None, "test_logloss": None, "serve_bytes": None, "full_bytes": None}
    small = ROW | {"key": "b", "label": "qr", "method": "qr", "budget": 0.1}
    impossible = ROW | missing | {"key": "c", "label": "tt", "method": "tt", "budget": 0.01}
    chapters = {
        "one": [ROW | {"key": "a"}, small],
        "two": [ROW | {"key": "a"}, impossible | {"status": "infeasible"}],
    }
    for name, rows in chapters.items():
        write_results(paths.RESULTS / "tables" / name, rows, [row["key"] for row in rows])
    codes = [ROW | {"key": "a", "place": "codes"}, CODE | {"key": "b"}]
    codes = [{n: v for n, v in row.items() if n not in ("dataset", "test_auc")} for row in codes]
    scores = [f"{key}.{task}" for key in "ab" for task in ("docs", "reviews", "scifact")]
    write_results(paths.RESULTS / "codes" / "packed", codes, scores)
    return paths.RESULTS


def test_metrics_are_rounded_and_say_what_was_not_feasible(folder):
    summary.write_tables()
    cells = json.loads((folder / "summary" / "metrics.json").read_text())["toy"]["dcnv2"]
    assert cells["full table"]["full"]["test_auc"] == 0.81235
    assert cells["qr"]["1/10"]["serve_bytes"] == 1000
    assert cells["tt"]["1/100"] == {"test_auc": None, "serve_bytes": None, "status": "infeasible"}


def test_the_series_holds_each_shared_run_once(folder):
    summary.write_tables()
    series = json.loads((folder / "summary" / "frontier.json").read_text())
    assert [point["label"] for point in series] == ["full table", "qr"]
    assert (folder / "summary" / "frontier-toy.svg").stat().st_size > 1000


def test_writing_twice_gives_the_same_bytes_under_the_names_that_git_keeps(folder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["summary"])

    def files():
        summary.main()
        return {p.name: p.read_bytes() for p in (folder / "summary").iterdir()}

    first = files()
    assert first == files()
    series = {"metrics.json", "frontier.json", "codes.json"}
    drawn = {"frontier-toy.svg", "frontier-codes-docs.svg", "frontier-codes-reviews.svg"}
    assert first.keys() == series | drawn


def test_codes_are_summarised_in_points_on_the_tasks_that_every_machine_has(folder):
    summary.write_codes()
    tasks = json.loads((folder / "summary" / "codes.json").read_text())
    assert tasks.keys() == {"docs", "reviews"}
    assert tasks["docs"]["dcnv2"]["int8"]["1/4"]["quality"] == 50.0


def test_a_chapter_without_rows_is_one_sentence(folder):
    (folder / "tables" / "two" / "rows.parquet").unlink()
    with pytest.raises(StudyError, match="Chapter 'tables/two' has no rows yet: run 'dvc repro'"):
        summary.write_tables()


def test_a_record_keeps_rows_settings_data_and_origin(folder):
    path = folder / "tables" / "one" / "rows.parquet"
    rows = pl.read_parquet(path).with_columns(
        pl.lit(16).alias("dim"), pl.lit(0.1).alias("train.lr")
    )
    rows.write_parquet(path)
    (folder / "prepared" / "toy").mkdir(parents=True)
    (folder / "prepared" / "toy" / "spec.json").write_text('{"name": "toy", "min_count": 2}')
    record.record("mine", ["tables/one"], published=0.9)
    kept = json.loads((folder / "full" / "mine.json").read_text())
    assert kept["settings"] == {"train.lr": 0.1, "dim": 16}
    assert kept["data"] == {"toy": {"name": "toy", "min_count": 2}}
    assert kept["environment"]["versions"]["torch"]
    assert [row["label"] for row in kept["rows"]] == ["full table", "qr"]
    assert kept["published_full_table_auc"] == 0.9
    assert "published 0.9000" in (folder / "full" / "mine.svg").read_text()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["tables/one", "codes/packed"], "chapters of one place, not of tables/one, codes/packed"),
        (["tables/on"], "no chapter 'tables/on'"),
    ],
)
def test_a_record_of_several_places_or_of_an_unknown_chapter_is_refused(folder, names, sentence):
    with pytest.raises(StudyError, match=sentence):
        record.record("mine", names)


@pytest.mark.parametrize("path", sorted((paths.ROOT / "results" / "full").glob("*.json")), ids=str)
def test_recorded_studies_are_json(path):
    assert json.loads(path.read_text(encoding="utf-8"))
