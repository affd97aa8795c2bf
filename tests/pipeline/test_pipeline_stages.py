"""Stages by themselves, and two versions of the study compared."""

import os
import shlex

import pytest
from checkouts import needs_data
from stages import STAGES

pytestmark = needs_data


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


def test_two_versions_can_be_compared(checkout):
    checkout.run("python", "-m", "embedstudy.report.plots_page")
    checkout.run("dvc", "exp", "run", "-S", "smoke.tables.all.train.lr=0.02", "summary")
    assert "test_auc" in checkout.run("dvc", "metrics", "diff", "HEAD")
    checkout.run("dvc", "plots", "diff", "HEAD")
    page = (checkout.folder / "dvc_plots" / "index.html").read_text()
    assert "bytes of the served file" in page
    assert "cdn.jsdelivr" not in page
    checkout.run("git", "reset", "--hard", "--quiet")  # the experiment's results stay behind
