"""Costs beside quality: the table of needs, claims about time, files measured as a server would."""

import polars as pl
import pytest
import torch
from tiny_site import write_catalogue

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.study.evidence import time_claims
from embedstudy.study.evidence.use_cases import use_cases
from embedstudy.study.tables import serving
from embedstudy.tables.core.artefact import save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.reference.full import Full


def row(label, auc, seed=0, **more):
    line = {"key": f"{label}-{seed}", "dataset": "toy", "backbone": "dcnv2", "seed": seed}
    line |= {"label": label, "method": label, "family": "f", "status": "ok"}
    line |= {"budget": 1.0 if label == "full" else 0.1, "valid_auc": auc, "test_auc": auc}
    return line | {"serve_bytes": 100, "train_bytes": 400} | more


ROWS = pl.DataFrame(
    [
        row("full", 0.80, serve_bytes=1000, train_bytes=4000),
        row("large", 0.799, serve_bytes=200),
        row("small", 0.795, serve_bytes=150, train_bytes=900),
        row("tiny but bad", 0.70, serve_bytes=10, train_bytes=10),
    ]
)


def test_the_cheapest_method_within_the_tolerance_wins_each_need():
    table = use_cases(ROWS)
    won = dict(table.select("need", "label").rows())
    assert won == {"smallest file to serve": "small", "least memory in training": "large"}
    assert table["delta"].to_list() == pytest.approx([-0.005, -0.001])
    assert table["budget"].to_list() == ["1/10", "1/10"]
    strict = use_cases(ROWS, tolerance=0.002)
    assert strict["label"].to_list() == ["large", "large"]
    everything = use_cases(ROWS, tolerance=0.2)
    assert everything["label"].to_list() == ["tiny but bad", "tiny but bad"]


def test_needs_that_are_times_appear_where_times_were_measured():
    timed = ROWS.with_columns(lookup_us_4096=pl.Series([9.0, 5.0, 7.0, 1.0]))
    line = use_cases(timed).filter(pl.col("need").str.contains("look-up")).row(0, named=True)
    assert (line["label"], line["value"]) == ("large", 5.0)


CLAIM = {
    "text": "dhe trains slowest",
    "measure": "train_seconds",
    "left": {"method": "dhe"},
    "right": {"family": "f", "best": True},
    "budgets": [0.1],
    "margin": 1.0,
}


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [((9, 8), "holds"), ((1, 2), "does not hold"), ((9, 2), "not decided")],
)
def test_a_claim_about_time_is_judged_pair_by_pair_against_the_slowest_other(seconds, verdict):
    lines = [row(label, 0.7, seed) for label in ("dhe", "hash", "tt") for seed in (0, 1)]
    costs = [float(cost) for cost in (*seconds, 0.5, 0.5, 4, 4)]
    times = pl.DataFrame({"key": [line["key"] for line in lines], "train_seconds": costs})
    judged = time_claims.evaluate(pl.DataFrame(lines), times, [CLAIM, {"text": "about AUC"}])
    line = judged.row(0, named=True)
    assert (line["left"], line["right"], line["pairs"]) == ("dhe", "tt", 2)
    assert line["ratio"] == pytest.approx((seconds[0] / 4 + seconds[1] / 4) / 2)
    assert line["verdict"] == verdict


@pytest.fixture
def recorded(prepared, tmp_path, monkeypatch):
    """A chapter with one recorded artefact and one run that was not feasible."""
    for name in ("RESULTS", "REPORTS", "NOTEBOOKS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    write_catalogue(tmp_path, {"tables": {"one": {"notebook": "tables/11-one"}}})
    spec = TableSpec((41, 31, 5), 8, torch.ones(77, dtype=torch.int64))
    table = Full.build(spec, spec.full_bytes, 0)
    folder = tmp_path / "results" / "tables" / "one"
    size = save(table.compact(), folder / "artefacts" / "full-0.safetensors")
    same = {"dataset": prepared, "serve_bytes": size}
    lines = [row("full", 0.8) | same, row("tt", None) | same | {"status": "infeasible"}]
    pl.DataFrame(lines).write_parquet(folder / "rows.parquet")
    return size


def test_served_files_are_measured_from_disk(recorded, monkeypatch):
    monkeypatch.setattr("sys.argv", ["serving"])
    serving.main()
    measured = pl.read_parquet(paths.REPORTS / "serving.parquet")
    assert measured["key"].to_list() == ["full-0"]
    assert measured["file_bytes"].to_list() == [recorded]
    assert measured["lookup_us_4096"][0] > 0


def test_a_file_of_another_size_than_its_row_says_is_refused(recorded):
    line = serving.first_seed_rows("tables/one").row(0, named=True)
    path = paths.RESULTS / "tables" / "one" / "artefacts" / "full-0.safetensors"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StudyError, match="its row says"):
        serving.measure(line, path)
    with pytest.raises(StudyError, match="has no rows yet"):
        serving.first_seed_rows("tables/two")
