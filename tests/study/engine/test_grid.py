import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from fake_work import FakeRun

from embedstudy.core import params
from embedstudy.core.errors import StudyError
from embedstudy.study.engine.fingerprint import hash_data
from embedstudy.study.engine.grid import run_grid
from embedstudy.study.engine.progress import describe, remaining
from embedstudy.study.engine.rows import array_frame, flatten, frame
from embedstudy.study.engine.store import RunStore

SCRIPT = Path(__file__).parents[2] / "toys" / "run_fake_grid.py"


def runs(*methods, seeds=(0, 1)):
    return [FakeRun(method=m, seed=seed) for m in methods for seed in seeds]


def grid(project, grid_runs, workers=0, folder="runs"):
    store = RunStore(project / ".cache" / folder)
    return run_grid(grid_runs, work="fake_work:work", chapter="fake", workers=workers, store=store)


def executed(project):
    """Method and seed of every run that was begun, in order."""
    log = project / "log"
    return [line.rsplit(" ", 1)[0] for line in log.read_text().splitlines()] if log.exists() else []


def written(project):
    """Everything deterministic that a grid wrote, as bytes by file name."""
    folder = project / "results" / "fake"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_grid_writes_rows_scores_artefacts_and_times(project):
    result = grid(project, runs("mean"))
    rows = result.rows
    assert rows.columns == [
        *(
            "key",
            "place",
            "backbone",
            "family",
            "method",
            "label",
            "budget",
            "seed",
            "dataset",
            "lr",
        ),
        *("device", "mean", "undefined", "count", "arithmetic", "status", "error"),
    ]
    assert rows["status"].to_list() == ["ok", "ok"]
    assert rows["undefined"].null_count() == 2
    assert rows["count"].to_list() == [300, 300]
    folder = project / "results" / "fake"
    assert pl.read_parquet(folder / "rows.parquet").equals(rows)
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores.schema == dict.fromkeys(rows["key"], pl.Float32)
    first = rows["key"][0]
    assert (folder / "artefacts" / f"{first}.bin").read_bytes() == scores[
        first
    ].to_numpy().tobytes()
    times = pl.read_parquet(project / "reports" / "fake" / "times.parquet")
    assert times.columns == ["key", "pid", "run_seconds"]
    result.require_ok()


def test_a_chapter_run_by_hand_leaves_the_pipelines_results_alone(project, monkeypatch):
    grid(project, runs("mean"))
    before = written(project)
    monkeypatch.delenv("EMBEDSTUDY_PIPELINE")
    result = grid(project, runs("mean", seeds=(7,)))
    assert result.rows["seed"].to_list() == [7]
    assert written(project) == before
    assert (project / ".cache" / "lab" / "fake" / "rows.parquet").is_file()


def test_recorded_runs_are_not_repeated_and_a_grid_may_grow(project):
    grid(project, runs("mean"))
    before = written(project)
    grid(project, runs("mean"))
    assert executed(project) == ["mean 0", "mean 1"]
    assert written(project) == before
    grown = grid(project, runs("mean", seeds=(0, 2, 1)))
    assert executed(project) == ["mean 0", "mean 1", "mean 2"]
    assert grown.rows["seed"].to_list() == [0, 2, 1]
    grid(project, runs("mean", seeds=(2,)))
    assert len(list((project / "results/fake/artefacts").iterdir())) == 1


def test_a_damaged_record_is_done_again(project):
    before = grid(project, runs("mean")).rows
    record = min((project / ".cache" / "runs").iterdir())
    record.write_bytes(record.read_bytes()[:-30])
    assert grid(project, runs("mean")).rows.equals(before)
    assert len(executed(project)) == 3


def test_rows_are_the_same_bytes_for_any_number_of_workers(project):
    mixed = runs("mean", "nan", "tight", "threads", seeds=(0, 1))
    results = {}
    for workers in (0, 1, 2):
        rows = grid(project, mixed, workers, f"runs{workers}").rows
        results[workers] = written(project)
    assert rows["threads"].drop_nulls().unique().to_list() == [1]
    assert results[0] == results[1] == results[2]
    assert len(executed(project)) == 3 * len(mixed)


def test_workers_stay_alive_over_runs(project):
    grid(project, runs("mean", seeds=range(6)), workers=2)
    times = pl.read_parquet(project / "reports" / "fake" / "times.parquet")
    assert times["pid"].n_unique() <= 2
    assert os.getpid() not in times["pid"].to_list()


def test_every_end_of_a_run_is_a_row_and_the_others_go_on(project):
    mixed = runs("boom", "mean", "nan", "tight", "killed", "unpicklable", seeds=(0,))
    result = grid(project, [*mixed, *runs("mean", seeds=(5,))], workers=1)
    rows = dict(
        zip(result.rows["method"], result.rows.select("status", "error").rows(), strict=True)
    )
    assert rows["boom"] == ("failed", "ValueError: no such thing")
    assert rows["nan"] == ("diverged", "Loss is NaN in epoch 2.")
    assert rows["tight"] == ("infeasible", "needs at least 100 bytes")
    assert rows["killed"][0] == "failed"
    assert "ended by SIGKILL (out of memory?" in rows["killed"][1]
    assert "cannot be sent back" in rows["unpicklable"][1]
    assert result.rows["status"].to_list()[-1] == "ok"
    with pytest.raises(StudyError, match=r"3 of 7 runs failed, .* boom 1/10 seed 0: ValueError"):
        result.require_ok()


@pytest.mark.parametrize(
    ("methods", "first"),
    [
        (("boom",), "boom 1/10 seed 0: failed: ValueError: no such"),
        (("nan", "boom"), "nan 1/10 .* Loss is NaN"),
    ],
)
def test_where_no_run_ended_well_the_first_cause_is_told(project, methods, first):
    """What is shown of rows would fail for want of a column, and say that."""
    with pytest.raises(
        StudyError, match=f"None of the {len(methods)} runs of 'fake' ended well. {first}"
    ):
        grid(project, [FakeRun(method=method) for method in methods])
    assert (project / "results" / "fake" / "rows.parquet").is_file()


def test_failed_runs_are_retried_at_the_next_start_and_no_others(project):
    mixed = runs("boom", "nan", "tight", "mean", seeds=(0,))
    grid(project, mixed)
    (project / "log.repaired").touch()
    result = grid(project, mixed)
    assert executed(project) == ["boom 0", "nan 0", "tight 0", "mean 0", "boom 0"]
    assert result.rows["status"].to_list() == ["ok", "diverged", "infeasible", "ok"]
    result.require_ok()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "grid of chapter 'fake' is empty"),
        (runs("mean", "magic"), "magic 1/10 seed 0: Unknown method 'magic'"),
        (runs("mean", seeds=(0, 1, 0)), "mean 1/10 seed 0: twice in the grid 'fake'"),
        ([FakeRun(method="mean", options={"a": {1}})], r"mean 1/10 seed 0: not JSON-safe"),
        ([FakeRun(method="mean", lr=float("nan"))], "mean 1/10 seed 0: not JSON-safe"),
        (
            [FakeRun(method="mean", dataset="gone")],
            "no prepared data in .*prepared/gone: run 'dvc repro'",
        ),
    ],
)
def test_what_cannot_start_is_refused_before_any_run(project, wrong, sentence):
    with pytest.raises(StudyError, match=sentence):
        grid(project, wrong)
    assert executed(project) == []


@pytest.mark.parametrize("work", ["fake_work:wurk", "fake_wurk:work", "fake_work"])
def test_an_unknown_work_function_is_refused(project, work):
    with pytest.raises(StudyError, match=f"no work function '{work}'"):
        run_grid(runs("mean"), work=work, chapter="fake", workers=0)


def test_changed_data_repeat_the_runs_on_it(project):
    folder = project / "results" / "prepared" / "toy"
    folder.mkdir(parents=True)
    (folder / "train.parquet").write_bytes(b"one")
    before = hash_data("toy")
    toy = [replace(run, dataset="toy") for run in runs("mean")]
    grid(project, toy)
    grid(project, toy)
    assert len(executed(project)) == 2
    (folder / "train.parquet").write_bytes(b"other")
    assert hash_data("toy") != before
    grid(project, [*toy, *runs("mean")])
    assert len(executed(project)) == 6


def test_a_changed_method_repeats_its_own_runs(project, tmp_path, monkeypatch):
    for name in ("fake_work.py", "fake_method.py"):
        (tmp_path / name).write_text(SCRIPT.with_name(name).read_text())
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    both = runs("mean", "nan", seeds=(0,))
    grid(project, both)
    with (tmp_path / "fake_method.py").open("a") as file:
        file.write("better = True\n")
    grid(project, both)
    assert executed(project) == ["mean 0", "nan 0", "mean 0"]
    with (tmp_path / "fake_work.py").open("a") as file:
        file.write("better = True\n")
    grid(project, both)
    assert executed(project)[3:] == ["mean 0", "nan 0"]


def test_work_that_does_not_tell_its_sources_is_refused(project):
    with pytest.raises(StudyError, match="fake_method needs a function sources"):
        run_grid(runs("mean"), work="fake_method:scores", chapter="fake", workers=0)


def test_columns_keep_their_group_and_mixed_kinds_a_common_type():
    shown = frame(
        [{"seed": 0}, {"seed": 1, "options.op": "mul"}],
        [{"auc": 1, "k": 1}, {"auc": 0.5, "k": "a", "gone": None}],
    )
    assert shown.columns == ["seed", "options.op", "auc", "k", "gone"]
    assert shown.rows() == [(0, None, 1.0, "1", None), (1, "mul", 0.5, "a", None)]
    assert flatten({"a": {"b": [1, 2], "c": {}}, "d": None}) == {"a.b": "[1, 2]", "d": None}
    with pytest.raises(StudyError, match="name a column 'seed'"):
        frame([{"seed": 0}], [{"seed": 1}])


def test_shorter_arrays_end_in_nulls():
    shown = array_frame({"a": np.ones(3), "b": np.zeros(1)}, "float32")
    assert shown.to_dict(as_series=False) == {"a": [1, 1, 1], "b": [0, None, None]}
    assert array_frame({}, "float32").shape == (0, 0)


def test_labels_are_published_beside_scores(project):
    folder = project / "results" / "prepared" / "toy"
    folder.mkdir(parents=True)
    (folder / "train.parquet").write_bytes(b"one")
    result = grid(project, [replace(run, dataset="toy") for run in runs("mean")])
    assert result.labels["toy"].to_list() == [0.0, 1.0] * 150
    assert pl.read_parquet(project / "results" / "fake" / "labels.parquet").equals(result.labels)


def test_a_model_that_two_budgets_buy_is_trained_once_and_the_rows_say_so(project):
    budgets = (0.5, 0.1, 0.01)
    stepped = [FakeRun(method="stepped", budget=budget) for budget in budgets]
    for _ in range(2):
        rows = grid(project, stepped, workers=2).rows
        assert executed(project) == ["stepped 0"] * 2
        assert rows["same_as_budget"].to_list() == [None, None, 0.1]
        assert rows["mean"].n_unique() == 1
    artefacts = [path.read_bytes() for path in (project / "results/fake/artefacts").iterdir()]
    assert len(artefacts) == 3
    grid(project, [*stepped, FakeRun(method="stepped", budget=0.2)])
    assert executed(project) == ["stepped 0"] * 2


@pytest.mark.parametrize("workers", [0, 1])
def test_denormal_numbers_are_flushed_in_every_worker(project, workers):
    one = runs("mean", seeds=(0,))
    rows = run_grid(one, work="fake_arithmetic:work", chapter="fake", workers=workers).rows
    assert rows["product"].to_list() == [0.0]
    tiny = torch.tensor(1e-30) * torch.tensor(1e-15)
    assert tiny.item() != 0, "outside of a grid nothing changes"


def start(workers, count):
    command = [sys.executable, str(SCRIPT), str(workers), str(count)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads process states from /proc")
def test_a_grid_killed_in_the_middle_goes_on_where_it_stopped(project):
    records = project / ".cache" / "runs"
    whole = start(1, 8)
    assert whole.wait() == 0, whole.stderr.read()
    expected = written(project)
    for path in records.iterdir():
        path.unlink()
    (project / "log").unlink()

    killed = start(2, 8)
    wait_for(lambda: len(list(records.glob("*.zip"))) >= 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    workers = {int(line.split()[-1]) for line in (project / "log").read_text().splitlines()}
    wait_for(lambda: not any(map(alive, workers)))
    finished = len(list(records.glob("*.zip")))
    begun = len(executed(project))
    assert 3 <= finished < 8

    again = start(2, 8)
    assert again.wait() == 0, again.stderr.read()
    assert len(executed(project)) == begun + 8 - finished
    assert written(project) == expected


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads process states from /proc")
def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(project):
    records = project / ".cache" / "runs"
    process = start(2, 40)
    wait_for(lambda: len(list(records.glob("*.zip"))) >= 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    workers = {int(line.split()[-1]) for line in (project / "log").read_text().splitlines()}
    wait_for(lambda: not any(map(alive, workers)))
    assert 2 <= len(list(records.glob("*.zip"))) < 40


def test_progress_is_a_line_a_run_in_logs_and_a_bar_on_request(project, capsys, monkeypatch):
    grid(project, runs("mean", "nan", seeds=(0,)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("1/2 runs, ")
    assert lines[0].endswith("s left: mean 1/10 seed 0 half way")
    assert lines[1].endswith("nan 1/10 seed 0 diverged: Loss is NaN in epoch 2.")
    monkeypatch.setenv("EMBEDSTUDY_PROGRESS", "bar")
    grid(project, runs("mean", "nan", seeds=(3,)))
    shown = capsys.readouterr().err
    assert "mean 1/10 seed 3 50% half way" in shown
    assert "2/2 runs" in shown
    assert "diverged: Loss is NaN" in shown


def test_a_notebooks_cell_keeps_one_line_of_progress(project, monkeypatch):
    written = []

    class Handle:
        def update(self, line):
            written.append(repr(line))

    monkeypatch.setattr("IPython.display.display", lambda line, display_id: Handle())
    monkeypatch.setenv("EMBEDSTUDY_PROGRESS", "cell")
    grid(project, runs("mean", seeds=(1,)))
    grid(project, runs("mean", "nan", seeds=(1,)))
    assert re.match(r"2/2 runs, 1 of them recorded before, \d s\nnan 1/10", written[-1])
    assert "diverged: Loss is NaN" in written[-1]


def test_a_run_in_words():
    run = FakeRun(method="qr", label="QR (mul)", budget=0.001, seed=2, dataset="calls")
    assert describe(run) == "calls QR (mul) 1/1000 seed 2"
    assert [remaining(s) for s in (42, 400, 9000)] == ["42 s left", "7 min left", "2.5 h left"]


def test_device_and_workers_come_from_params_yaml_unless_given(project, monkeypatch):
    monkeypatch.setattr(params, "resolve_device", lambda name: f"device {name}")
    rows = run_grid(runs("mean"), work="fake_work:work", chapter="fake", workers=0).rows
    assert rows["device"].to_list() == ["device None"] * 2
