"""What a report says about where its numbers come from."""

import json
import subprocess
import sys

import polars
import pytest
import torch

from embedstudy.pipeline import provenance


def git(folder, *arguments):
    who = ["-c", "user.name=Reader", "-c", "user.email=reader@example.org"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "params.yaml").write_text("profile: smoke\n")
    git(tmp_path, "add", "params.yaml")
    git(tmp_path, "commit", "--quiet", "--no-gpg-sign", "-m", "Begin")
    return tmp_path


def test_environment_names_software_and_hardware_and_repeats_itself(checkout):
    first = provenance.environment(checkout)
    assert first == provenance.environment(checkout)
    assert json.loads(json.dumps(first)) == first
    assert first["versions"]["torch"] == torch.__version__
    assert first["versions"]["polars"] == polars.__version__
    assert first["cpu"]
    assert first["cores"] >= 1
    assert 0.1 < first["memory_gib"] < 1e5
    assert (first["gpu"] is None) == (not torch.cuda.is_available())


def test_packages_are_those_of_pyproject_that_the_study_runs_on():
    named = provenance.packages()
    assert {"torch", "polars", "dvc", "altair"} <= set(named)
    assert not {"embedstudy", "pytest", "ruff", "playwright"} & set(named)


def test_light_commands_stay_light():
    code = "import sys, embedstudy.pipeline.provenance; print('torch' in sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "False"


def test_commit_is_dirty_only_when_sources_changed(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "results").mkdir()
    (checkout / "results" / "metrics.json").write_text("{}")
    (checkout / "dvc.lock").write_text("schema: '2.0'\n")
    assert provenance.commit(checkout) == (head, False)
    (checkout / "lib").mkdir()
    (checkout / "lib" / "new_method.py").write_text("")
    assert provenance.commit(checkout) == (head, True)
    (checkout / "lib" / "new_method.py").unlink()
    (checkout / "params.yaml").write_text("profile: full\n")
    assert provenance.commit(checkout) == (head, True)


def test_no_commit_outside_a_checkout(tmp_path):
    assert provenance.commit(tmp_path) == (None, None)


def test_data_hash_is_the_one_dvc_pins(tmp_path):
    assert provenance.data_hash(tmp_path) is None
    (tmp_path / "data.dvc").write_text(
        "outs:\n- md5: 0a1b2c3d.dir\n  nfiles: 2\n  hash: md5\n  path: data\n"
    )
    assert provenance.data_hash(tmp_path) == "0a1b2c3d.dir"


def test_cpu_model_is_read_from_the_system(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Example CPU @ 2 GHz\ncache size\t: 1 KB\n")
    assert provenance.cpu_model(listing) == "Example CPU @ 2 GHz"
    assert provenance.cpu_model(tmp_path / "absent")
