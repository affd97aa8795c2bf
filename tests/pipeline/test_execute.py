import json
import shutil
import subprocess
import sys

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
    # A kernel that is shut down in mid-cell may log so first; what we say are the last lines.
    told = done.stderr.splitlines()[-2:]
    assert told[0].startswith(sentence)
    assert told[1] == f"The notebook as far as it came: {failed}"
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
