"""The whole pipeline, end to end, on the smoke profile: a fresh checkout, real data, DVC."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from stages import LIB, STAGES, covered, holds_code

from embedstudy.core import catalogue, paths
from embedstudy.core.errors import StudyError
from embedstudy.sources.core import manifest
from embedstudy.study.engine.imports import PACKAGE, run_sources
from embedstudy.study.tables import run

TABLES = [one.key for one in catalogue.of_place("tables")]
CHAPTERS = [one.key for place in catalogue.PLACES for one in catalogue.of_place(place)]


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

    def copy(self, path, target):
        """Copy a file or folder of this checkout to the same place below ``target``."""
        source, place = self.folder / path, target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy2(source, place)

    def run(self, *command, code=0, folder=None, root=None):
        """Run a command as a newcomer would, with this checkout's library; return its output."""
        root = root or self.folder
        binaries = str(Path(sys.executable).parent)
        environment = os.environ | {
            "PATH": binaries + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(root / "lib"),
            "EMBEDSTUDY_ROOT": str(root),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@example.org",
        }
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
        assert (reports / "pages" / page).is_file(), page
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
    assert changed == {"tables@fewer_bits", "report"}


def test_a_reworded_message_and_a_comment_repeat_no_run(checkout):
    """Stages that depend on the folder show themselves anew; what was trained stays."""
    edited = {
        "core/params.py": ('"""The parameters', '"""All parameters'),
        "core/errors.py": ("class StudyError", "# the base of all\nclass StudyError"),
        "core/schema.py": ("is not a parameter", "is no parameter"),
        "tables/fewer_bits/alpt.py": ("class ALPT", "# learned steps\nclass ALPT"),
    }
    lib, before = checkout.folder / "lib" / "embedstudy", {}
    recorded = sorted(path.name for path in (checkout.folder / ".cache" / "runs").iterdir())
    for name, (old, new) in edited.items():
        before[name] = (lib / name).read_text()
        assert old in before[name], name
        (lib / name).write_text(before[name].replace(old, new, 1))
    stages = ("tables@fewer_bits", "encoders-matryoshka", "codes@codecs")
    checkout.run("dvc", "repro", "--single-item", *stages)
    for name, text in before.items():
        (lib / name).write_text(text)
    after = sorted(path.name for path in (checkout.folder / ".cache" / "runs").iterdir())
    assert after == recorded
    checkout.run("git", "checkout", "--", ".")


def test_a_run_without_any_record_gives_the_same_bytes(checkout):
    before = checkout.rows()
    for record in ("runs", "trained"):
        shutil.rmtree(checkout.folder / ".cache" / record)
    stages = ("tables@baselines", "tables@fewer_bits", "tables@fewer_nonzeros")
    checkout.run("dvc", "repro", "--force", "--single-item", *stages)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("chapter", [one.notebook for one in catalogue.chapters()])
def test_a_chapter_runs_by_hand_from_its_own_folder_and_changes_no_result(checkout, chapter):
    before = checkout.rows()
    notebook = checkout.folder / "notebooks" / f"{chapter}.ipynb"
    command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    checkout.run(*command, notebook.name, folder=notebook.parent)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "name", ["tables@fewer_nonzeros", "codes@codecs", "frontier", "claims", "summary", "report"]
)
def test_a_stage_needs_nothing_but_what_it_depends_on(checkout, tmp_path, name):
    """It runs alike where only its dependencies are: no `results/*` or module is read in secret."""
    commands, deps, outs = STAGES[name]
    alone = tmp_path / "alone"
    for path in ["dvc.yaml", "params.yaml", "notebooks/chapters.yaml", *map(str, deps)]:
        checkout.copy(path, alone)
    for folder in {parent for dep in deps for parent in dep.parents if "lib" in parent.parts}:
        if (checkout.folder / folder / "__init__.py").is_file():
            checkout.copy(folder / "__init__.py", alone)
    (alone / ".cache").mkdir()
    os.symlink(checkout.folder / ".cache" / "runs", alone / ".cache" / "runs")
    for command in commands:
        checkout.run(*shlex.split(command), folder=alone, root=alone)
    for out in outs:
        if out.parts[0] == "results":
            files = [path for path in (checkout.folder / out).rglob("*") if path.is_file()]
            for file in files:
                relative = file.relative_to(checkout.folder)
                assert (alone / relative).read_bytes() == file.read_bytes(), relative
        assert (alone / out).exists(), out


def test_every_run_executed_only_what_its_stage_depends_on(checkout):
    """Methods and backbones are loaded by name: their files are among the dependencies too."""
    for chapter in catalogue.of_place("tables"):
        _, deps, _ = STAGES[f"tables@{chapter.name}"]
        rows = pl.read_parquet(checkout.folder / "results" / chapter.key / "rows.parquet")
        for line in rows.select("family", "method", "backbone").unique().to_dicts():
            method = run.method_class(line["family"], line["method"]).__module__
            backbone = run.backbone_class(line["backbone"]).__module__
            for path in run_sources(run.__name__, [method, backbone]):
                assert not holds_code(path) or covered(LIB / path.relative_to(PACKAGE), deps), path


def test_two_versions_can_be_compared(checkout):
    checkout.run("python", "-m", "embedstudy.report.plots_page")
    checkout.run("dvc", "exp", "run", "-S", "smoke.tables.all.train.lr=0.02", "summary")
    assert "test_auc" in checkout.run("dvc", "metrics", "diff", "HEAD")
    checkout.run("dvc", "plots", "diff", "HEAD")
    page = (checkout.folder / "dvc_plots" / "index.html").read_text()
    assert "bytes of the served file" in page
    assert "cdn.jsdelivr" not in page
    checkout.run("git", "reset", "--hard", "--quiet")  # the experiment's results stay behind


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
        said = checkout.run("python", "-m", "embedstudy.pipeline.chapters", code=1)
    finally:
        path.write_text(before)
    assert said.startswith("error: ")
    assert sentence in said
    assert "Traceback" not in said
