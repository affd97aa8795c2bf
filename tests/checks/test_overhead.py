"""What training took is counted once, however many methods start from it."""

import polars as pl
import pytest

from embedstudy.checks import overhead as bench
from embedstudy.study.engine import rows


def test_the_full_tables_training_is_counted_once(tmp_path):
    same = {"dataset": "toy", "backbone": "dcnv2", "seed": 0}
    runs = [
        same | {"key": "a", "method": "full", "phases": "full 3"},
        same | {"key": "b", "method": "rowwise", "phases": "full 3"},
        same | {"key": "c", "method": "pep", "phases": "search 1, retrain 2"},
    ]
    times = {"a": 10.0, "b": 10.5, "c": 7.0}
    for chapter, keys in (("one", "ab"), ("two", "ac")):
        here = pl.DataFrame([run for run in runs if run["key"] in keys])
        spent = pl.DataFrame({"key": list(keys), "train_seconds": [times[k] for k in keys]})
        rows.write_frame(here, tmp_path / "results" / chapter / "rows.parquet")
        rows.write_frame(spent, tmp_path / "reports" / chapter / "times.parquet")
    found = bench.trained_seconds(tmp_path / "reports", tmp_path / "results")
    assert found == pytest.approx(10 + 0.5 + 7)
