"""The whole pipeline, end to end, on the smoke profile: a fresh checkout, real data, DVC."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.params import chapters
from embedstudy.sources import manifest

TABLES = (
    "baselines",
    "sharing_rows",
    "generated_rows",
    "fewer_bits",
    "fewer_dimensions",
    "fewer_nonzeros",
)
CHAPTERS = (
    *TABLES,
    "encoders_baseline",
    "encoders_matryoshka",
    "encoders_word_table",
    "codes_fewer_bits",
)


def data_is_complete():
    try:
        manifest.verify(paths.DATA)
    except StudyError:
        return False
    return True


pytestmark = pytest.mark.skipif(not data_is_complete(), reason="needs the data: run `make data`")


class Checkout:
    """A copy of the working tree's tracked files, with the data linked in, set to ``smoke``."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=paths.ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source = paths.ROOT / name
            if source.is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)
        (folder / "dvc.lock").unlink(missing_ok=True)
        shutil.rmtree(folder / "results", ignore_errors=True)
        shutil.copytree(paths.DATA, folder / "data", copy_function=os.link)
        text = (folder / "params.yaml").read_text()
        (folder / "params.yaml").write_text(text.replace("profile: quick", "profile: smoke"))
        self.run("git", "init", "-q")
        self.commit("start")

    def run(self, *command, code=0, folder=None):
        """Run a command as a newcomer would, with this checkout's library; return its output."""
        binaries = str(Path(sys.executable).parent)
        environment = os.environ | {
            "PATH": binaries + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(self.folder / "lib"),
            "EMBEDSTUDY_ROOT": str(self.folder),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@example.org",
        }
        environment.pop("EMBEDSTUDY_CHAPTER", None)
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said[-4000:]
        return said

    def commit(self, message):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def rows(self):
        return {c: (self.folder / "results" / c / "rows.parquet").read_bytes() for c in CHAPTERS}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in which ``dvc repro`` has run once."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    made.run("dvc", "repro")
    made.commit("run")
    return made


def test_every_chapter_ran_and_the_report_is_there(checkout):
    reports = checkout.folder / "reports"
    for notebook in (checkout.folder / "notebooks").rglob("*.ipynb"):
        page = notebook.relative_to(checkout.folder / "notebooks").with_suffix(".html")
        assert (reports / page).is_file(), page
    assert "The frontier" in (reports / "index.html").read_text()


def test_every_run_succeeded_or_was_honestly_not_feasible(checkout):
    for chapter in CHAPTERS:
        rows = pl.read_parquet(checkout.folder / "results" / chapter / "rows.parquet")
        assert set(rows["status"]) <= {"ok", "infeasible"}
        if chapter not in TABLES:
            continue
        ok = rows.filter((pl.col("status") == "ok") & (pl.col("method") != "full"))
        assert (ok["serve_bytes"] <= ok["budget_bytes"]).all()
        for row in ok.to_dicts():
            file = checkout.folder / "results" / chapter / "artefacts" / f"{row['key']}.safetensors"
            assert file.stat().st_size == row["serve_bytes"]


def test_a_second_repro_does_nothing(checkout):
    assert "up to date" in checkout.run("dvc", "repro")
    assert checkout.run("git", "status", "--porcelain") == ""


def test_an_edited_method_concerns_its_chapter_and_what_is_drawn_from_it(checkout):
    method = checkout.folder / "lib" / "embedstudy" / "tables" / "fewer_bits" / "alpt.py"
    before = method.read_text()
    method.write_text(before + "\n# edited\n")
    changed = set(json.loads(checkout.run("dvc", "status", "--json")))
    method.write_text(before)
    assert changed == {"tables-fewer-bits"}


def test_a_run_without_any_record_gives_the_same_bytes(checkout):
    before = checkout.rows()
    for record in ("runs", "trained"):
        shutil.rmtree(checkout.folder / ".cache" / record)
    stages = ("tables-baselines", "tables-fewer-bits", "tables-fewer-nonzeros")
    checkout.run("dvc", "repro", "--force", "--single-item", *stages)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("chapter", chapters())
def test_a_chapter_runs_by_hand_from_its_own_folder_and_changes_no_result(checkout, chapter):
    before = checkout.rows()
    notebook = checkout.folder / "notebooks" / f"{chapter}.ipynb"
    command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    checkout.run(*command, notebook.name, folder=notebook.parent)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""


def test_two_versions_can_be_compared(checkout):
    checkout.run("python", "-m", "embedstudy.report.plots_page")
    checkout.run("dvc", "exp", "run", "-S", "smoke.tables.train.lr=0.02", "summary")
    assert "test_auc" in checkout.run("dvc", "metrics", "diff", "HEAD")
    checkout.run("dvc", "plots", "diff", "HEAD")
    page = (checkout.folder / "dvc_plots" / "index.html").read_text()
    assert "bytes of the served file" in page
    assert "cdn.jsdelivr" not in page
    checkout.run("git", "checkout", "--", ".")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "profile: smoke",
            "profile: somke",
            "profile is 'somke': it must be one of full, quick, smoke",
        ),
        ("epochs: 2", "epochs: two", "whole number"),
        ("budgets: [0.5, 0.1]", "budgets: [0.5, 2]", "above 0 and at most 1"),
        ("backbone_options", "backbone_option", "did you mean 'backbone_options'"),
        ("device: auto", "device: cuda", "CUDA"),
    ],
)
def test_wrong_parameters_are_refused_in_one_sentence_before_any_work(checkout, old, new, sentence):
    path = checkout.folder / "params.yaml"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        said = checkout.run("python", "-m", "embedstudy.core.params", code=1)
    finally:
        path.write_text(before)
    assert said.startswith("error: ")
    assert sentence in said
    assert "Traceback" not in said


def test_dvc_yaml_lists_exactly_what_each_stage_imports():
    command = [sys.executable, "-m", "embedstudy.study.engine.imports", "--check", "dvc.yaml"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
