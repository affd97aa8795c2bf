"""Wheels that are not what the manifest pins are never read, and never pinned anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_wheels import damage, make_wheel, write_lock
from stages import STAGES

from embedstudy.core import paths
from embedstudy.study.engine.imports import PACKAGE

LOCK = "lib/embedstudy/sources/core/wheels.lock"
READ = (
    "from embedstudy.sources.core import manifest; from embedstudy.core import paths; "
    "manifest.verify(paths.DATA); open('seen', 'w').write('whole')"
)


class Project:
    """A checkout with two small wheels, pinned by the manifest and by DVC, and a stage that reads them."""

    def __init__(self, root):
        self.root, self.data = root, root / "data"
        for name in ("core", "sources"):
            shutil.copytree(PACKAGE / name, root / "lib" / "embedstudy" / name)
        shutil.copy2(PACKAGE / "__init__.py", root / "lib" / "embedstudy")
        shutil.copy2(paths.ROOT / "params.yaml", root)
        reads = {"cmd": f'python -c "{READ}"', "deps": [LOCK], "outs": ["seen"]}
        (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"reads": reads}}))
        about = "Metadata-Version: 2.1\nName: {0}\nVersion: 1.0\n"
        for name in "ab":
            make_wheel(
                self.data, name, "1.0", {f"{name}-1.0.dist-info/METADATA": about.format(name)}
            )
        write_lock(root / LOCK, sorted(self.data.glob("*.whl")))
        self.run("init", "--no-scm", "-q")
        self.run("add", "data", "-q")

    def run(self, *words):
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "lib"),
            "EMBEDSTUDY_ROOT": str(self.root),
            "DVC_NO_ANALYTICS": "1",
        }
        done = subprocess.run(
            ["dvc", *words], cwd=self.root, env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    code, said = made.run("repro")
    assert code == 0, said
    return made


def add(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda data: damage(data / "a-1.0-py3-none-any.whl"), "its sha256 is not the pinned one"),
        (lambda data: add(data / "more.whl"), "more.whl is not in the manifest"),
        (lambda data: add(data / "notes" / "x.txt"), "notes is not in the manifest"),
        (lambda data: (data / "b-1.0-py3-none-any.whl").unlink(), "make data"),
    ],
)
def test_repro_alone_reads_nothing_spoiled_and_leaves_the_pin_as_it_is(project, spoil, sentence):
    pinned = (project.root / "data.dvc").read_bytes()
    spoil(project.data)
    assert "up to date" in project.run("repro")[1], "what was made of whole data stays"
    code, said = project.run("repro", "--force")
    assert code != 0
    assert sentence in said
    assert (project.root / "data.dvc").read_bytes() == pinned


def test_no_stage_names_the_data_that_dvc_would_pin_anew():
    deps = {name: deps for name, (_, deps, _) in STAGES.items()}
    assert not [name for name, paths_ in deps.items() if any(p.parts[0] == "data" for p in paths_)]
    opening = [name for name in deps if name in ("prepare-movielens", "prepare-reviews",
                                                 "prepare-corpus", "prepare-encoder")]  # fmt: skip
    assert len(opening) == 4
    for name in opening:
        assert any((Path(LOCK)).is_relative_to(dep) for dep in deps[name]), name
