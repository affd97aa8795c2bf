"""One list of dependencies: pyproject.toml. The lock and environment.yml must agree with it."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "lib" / "pyproject.toml").read_text())["project"]
DIRECT = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
LOCK = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.M))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_every_direct_dependency_is_pinned_exactly():
    assert [d for d in DIRECT if not re.fullmatch(r"[a-z0-9-]+==[^, ]+", d)] == []


def test_the_lock_holds_the_pinned_versions():
    pinned = dict(d.split("==") for d in DIRECT)
    del pinned["torch"]  # CPU or CUDA build: chosen by the machine, not by the lock
    assert {name: LOCK.get(name) for name in pinned} == pinned


def test_the_lock_has_hashes_and_no_build_of_cuda():
    text = (ROOT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(LOCK)
    assert not [name for name in LOCK if name.startswith(("nvidia", "torch", "triton", "cuda"))]
    assert "://" not in text


def test_environment_yml_takes_the_lock_and_the_same_torch():
    torch = next(d for d in DIRECT if d.startswith("torch==")).removeprefix("torch==")
    assert f"pytorch={torch}" in CONDA
    assert {"pip": ["-r requirements.lock"]} in CONDA
    python = next(d for d in CONDA if str(d).startswith("python=")).removeprefix("python=")
    minimum = PROJECT["requires-python"].removeprefix(">=")
    assert tuple(map(int, python.split("."))) >= tuple(map(int, minimum.split(".")))
