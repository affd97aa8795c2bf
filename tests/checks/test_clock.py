"""The note of how long the study took: only where a grid ran, and without heavy imports."""

import json
import os
import subprocess
import sys
import time

from embedstudy.checks import clock


def _times(reports, age):
    path = reports / "tables" / "baselines" / "times.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    os.utime(path, (time.time() - age,) * 2)


def test_a_study_that_ran_a_grid_is_noted(tmp_path):
    _times(tmp_path, age=5)
    clock.record(tmp_path, 60)
    assert json.loads((tmp_path / clock.NOTE).read_text()) == {"seconds": 60}


def test_a_study_that_found_nothing_to_do_keeps_the_last_note(tmp_path):
    _times(tmp_path, age=500)
    (tmp_path / clock.NOTE).write_text('{"seconds": 1000}')
    clock.record(tmp_path, 2)
    assert json.loads((tmp_path / clock.NOTE).read_text()) == {"seconds": 1000}


def test_without_reports_nothing_is_written(tmp_path):
    clock.record(tmp_path / "reports", 2)
    assert not list(tmp_path.iterdir())


def test_a_study_without_anything_to_do_waits_for_no_import():
    code = (
        "import sys, embedstudy.checks.clock; print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"torch", "polars", "numpy", "yaml"} & set(loaded.stdout.split())
