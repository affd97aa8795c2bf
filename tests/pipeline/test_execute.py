import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GRID = """\
import os
import sys

from embedstudy.study.engine.grid import run_grid
from fake_work import FakeRun

budgets, seeds = parameters["budgets"], parameters["seeds"]["toy"]
runs = [FakeRun(method="mean", budget=b, seed=s) for b in budgets for s in seeds]
result = run_grid(runs, work="fake_work:work", chapter="tables/demo")
"""
LOOK = "print(os.getcwd(), sys.executable, budgets, result.rows['mean'].to_list())\nobject()"


def execute(chapter):
    command = [sys.executable, "-m", "embedstudy.pipeline.execute", chapter]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_chapter_runs_with_its_parameters_and_again_gives_the_same_bytes(project, write_notebook):
    write_notebook("tables/10-demo", ["parameters = {}", GRID, LOOK])
    done = execute("tables/10-demo")
    assert done.returncode == 0, done.stderr
    assert "2/2 runs, 0 s left: mean 1/2 seed 1 half way" in done.stderr
    assert f"{project} {sys.executable} [0.5] [" in done.stdout
    target = project / "reports" / "notebooks" / "tables" / "10-demo.ipynb"
    before = target.read_bytes()
    assert b"half way" not in before
    assert (project / "results" / "tables" / "demo" / "rows.parquet").is_file()
    wall = json.loads((project / "reports" / "tables" / "demo" / "wall.json").read_text())
    assert wall["profile"] == "smoke"
    assert wall["seconds"] > 0

    shutil.rmtree(project / ".cache")
    assert execute("tables/10-demo").returncode == 0
    assert target.read_bytes() == before
    assert not list((project / ".cache" / "notebooks").rglob("*.ipynb"))


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (
            "from embedstudy.core.errors import InfeasibleBudget\nraise InfeasibleBudget('Too small.')",
            "error: Too small.",
        ),
        ("x = 1\n1 / 0", "error: Chapter tables/10-demo: cell [3] raised ZeroDivisionError: div"),
        ("import os\nos.kill(os.getpid(), 9)", "error: The kernel of chapter tables/10-demo died"),
    ],
)
def test_a_failing_chapter_is_kept_and_told_in_one_sentence(
    project, write_notebook, cell, sentence
):
    write_notebook("tables/10-demo", ["parameters = {}", cell])
    done = execute("tables/10-demo")
    failed = project / "reports" / "failed" / "tables" / "10-demo.ipynb"
    assert done.returncode == 1
    # A kernel that is shut down in mid-cell may log so first; what we say is the last line.
    told = done.stderr.splitlines()[-1]
    assert told.startswith(sentence)
    assert told.endswith(f" The notebook as far as it came: {failed}")
    assert cell.splitlines()[0] in failed.read_text()
    assert not (project / "reports" / "notebooks" / "tables" / "10-demo.ipynb").exists()


def test_wrong_parameters_are_refused_before_the_kernel_starts(project, write_notebook):
    write_notebook("tables/10-demo", ["parameters = {}", "open('began', 'w')"])
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("budgets:", "budget:", 1))
    done = execute("tables/10-demo")
    assert done.returncode == 1
    assert done.stderr == (
        "error: params.yaml: smoke.tables.all.budget is not a parameter: did you mean 'budgets'?\n"
    )
    assert not (project / "began").exists()


def test_a_chapter_without_a_notebook_is_told(project):
    done = execute("tables/demo")
    assert done.returncode == 1
    assert "tables/demo has no notebook" in done.stderr


MIXED = """\
from embedstudy.study.engine.grid import run_grid
from fake_work import FakeRun

runs = [FakeRun(method=method, label=method) for method in ("mean", "boom")]
result = run_grid(runs, work="fake_work:work", chapter="tables/demo")
"""


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (
            "result.rows['test_auc']",
            ". Then: Chapter tables/10-demo: cell [4] raised ColumnNotFound",
        ),
        ("result.require_ok()", None),
    ],
)
def test_the_run_that_failed_is_told_before_what_came_of_it(
    project, write_notebook, shown, sentence
):
    write_notebook("tables/10-demo", ["parameters = {}", MIXED, shown])
    done = execute("tables/10-demo")
    told = done.stderr.splitlines()[-1]
    cause = "1 of 2 runs failed, the first 'boom', seed 0: ValueError: no such thing"
    if sentence:
        assert told.startswith(f"error: {cause}{sentence}")
    else:
        assert told.startswith("error: 1 of 2 runs failed, the others are recorded")
        assert "boom 1/10 seed 0: ValueError: no such thing" in told


def test_failures_of_an_earlier_start_are_no_cause(project, write_notebook):
    write_notebook("tables/10-demo", ["parameters = {}", MIXED])
    assert execute("tables/10-demo").returncode == 0
    write_notebook("tables/10-demo", ["parameters = {}", "1 / 0"])
    told = execute("tables/10-demo").stderr.splitlines()[-1]
    assert told.startswith("error: Chapter tables/10-demo: cell [3] raised ZeroDivisionError")


@pytest.mark.parametrize("text", ["{", "[]", "", '{"cells": 3}', '{"cells": [3]}', "caf\u00e9"])
def test_a_file_that_is_no_notebook_is_one_sentence(project, text):
    path = project / "notebooks" / "tables" / "10-demo.ipynb"
    path.write_bytes(text.encode("latin-1"))
    done = execute("tables/10-demo")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path} is no notebook")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("place", [".cache", "reports"])
def test_what_cannot_be_written_is_one_sentence(project, write_notebook, place):
    write_notebook("tables/10-demo", ["parameters = {}"])
    (project / place).write_text("a file where a folder should be")
    done = execute("tables/10-demo")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: Cannot write {project / place}")
    assert "Traceback" not in done.stderr


# -- kill -9 --------------------------------------------------------------------------------------
SLOW = GRID.replace("mean", "slow").replace(
    "for b in budgets", "for b in [i / 1000 for i in range(1, 400)]"
)
STARTER = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def processes(root):
    """Command lines of the living processes that work for the project at ``root``."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if f"EMBEDSTUDY_ROOT={root}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = b" ".join(words).decode()
        except OSError:
            continue
    return {process: line for process, line in found.items() if line and process != os.getpid()}


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    assert true()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("killed", ["dvc", "chapter"])
def test_what_is_killed_takes_its_chapter_with_it_and_leaves_nothing(
    project, write_notebook, tmp_path, monkeypatch, killed
):
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("DVC_STAGE", "tables@demo")
    write_notebook("tables/10-demo", ["parameters = {}", SLOW])
    command = [sys.executable, "-m", "embedstudy.pipeline.execute", "tables/10-demo"]
    dvc = subprocess.Popen([sys.executable, "-c", STARTER, *command], stderr=subprocess.DEVNULL)
    records = project / ".cache" / "runs"
    try:
        until(lambda: records.is_dir() and len(list(records.glob("*.zip"))) > 1)
        lines = processes(project)
        assert any("multiprocessing" in line for line in lines.values())
        chapter = next(p for p, line in lines.items() if "execute" in line and p != dvc.pid)
        os.kill({"dvc": dvc.pid, "chapter": chapter}[killed], signal.SIGKILL)
        until(lambda: not {p for p in processes(project) if p != dvc.pid})
    finally:
        for process in processes(project):
            os.kill(process, signal.SIGKILL)
        dvc.wait()
    root = temporary / f"embedstudy-{os.getuid()}"
    assert len([path for path in root.iterdir() if path.is_dir()]) == 1

    write_notebook("tables/10-demo", ["parameters = {}", GRID, LOOK])
    assert execute("tables/10-demo").returncode == 0
    assert [path.name for path in root.iterdir()] == [".lock"]
