"""One list of dependencies: pyproject.toml. The lock and environment.yml must agree with it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "lib" / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED_EXTRAS = ("text", "study", "test")
TORCH = PYPROJECT["tool"]["uv"]["constraint-dependencies"][0].removeprefix("torch==")
LOCK = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.M))
# What each lock says of each package: its version, markers and hashes.
LOCKS = {
    name: dict(re.findall(r"^([a-z0-9-]+)(==(?:.*\\\n)*.*)$", (ROOT / name).read_text(), re.M))
    for name in ("requirements.lock", "torch.lock", "cuda.lock")
}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]

# Import names that are not the name of the package.
PACKAGE = {
    "IPython": "ipython",
    "bs4": "beautifulsoup4",
    "faiss": "faiss-cpu",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}


def requirements(*extras):
    lines = PROJECT["dependencies"] + [d for extra in extras for d in EXTRAS[extra]]
    return [Requirement(d) for d in lines if not d.startswith("embedstudy[")]


def names(*extras):
    return {r.name for r in requirements(*extras)}


def packages_imported(folder):
    """Packages outside the standard library that a folder of ours imports."""
    imported = set()
    for path in (ROOT / "lib" / "embedstudy" / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    imported -= {*sys.stdlib_module_names, "embedstudy"}
    return {PACKAGE.get(name, name).replace("_", "-") for name in imported}


def test_each_dependency_stands_once():
    every = [r.name for r in requirements(*EXTRAS)]
    assert sorted(every) == sorted(set(every))


def test_a_library_asks_for_ranges_so_that_it_installs_beside_others():
    every = [r for r in requirements(*EXTRAS) if r.name != "ruff"]
    assert [str(r) for r in every if {s.operator for s in r.specifier} != {">=", "<"}] == []


def test_the_lock_holds_a_version_in_every_range():
    locked = [r for r in requirements(*LOCKED_EXTRAS) if r.name != "torch"]
    assert [r.name for r in locked if r.name not in LOCK] == []
    assert [str(r) for r in locked if not r.specifier.contains(LOCK[r.name])] == []
    assert next(r for r in requirements() if r.name == "torch").specifier.contains(TORCH)


def test_the_lock_leaves_out_what_a_cluster_brings():
    assert (names("cluster") - names()) & set(LOCK) == set()


@pytest.mark.parametrize("folder", ["tables", "codes", "backbones"])
def test_the_compressors_need_no_extra(folder):
    assert packages_imported(folder) <= names()


@pytest.mark.parametrize("folder", ["encoders", "measure", "sources"])
def test_encoders_and_measurements_need_the_extra_text(folder):
    assert packages_imported(folder) <= names("text")


def test_the_study_needs_the_extra_study():
    rooms = {path.name for path in (ROOT / "lib" / "embedstudy").iterdir() if path.is_dir()}
    rooms -= {"checks"}  # compares with libraries that have an environment of their own
    imported = set().union(*(packages_imported(room) for room in rooms))
    assert imported <= names("text", "study", "cluster")


def test_the_lock_has_hashes_and_no_build_of_cuda():
    text = (ROOT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(LOCK)
    assert not [name for name in LOCK if name.startswith(("nvidia", "torch", "triton", "cuda"))]
    assert "://" not in text


def test_one_line_pins_torch_and_its_own_lock_has_that_version():
    pinned = re.findall(r"torch==[0-9.]*", (ROOT / "lib" / "pyproject.toml").read_text())
    assert pinned == [f"torch=={TORCH}"]
    assert "grep -o 'torch==[0-9.]*' lib/pyproject.toml" in (ROOT / "Makefile").read_text()
    assert LOCKS["torch.lock"].keys() == {"torch"}
    assert LOCKS["torch.lock"]["torch"].startswith(f"=={TORCH} \\\n")


def test_what_a_build_for_cuda_needs_is_pinned_for_linux_alone():
    needed = {name: line for name, line in LOCKS["cuda.lock"].items() if name != "torch"}
    assert {"triton", "nvidia-cublas", "nvidia-cudnn-cu13"} <= needed.keys()
    assert not needed.keys() & set(LOCK)
    assert [name for name, line in needed.items() if "sys_platform == 'linux'" not in line] == []


@pytest.mark.parametrize("name", ["requirements.lock", "torch.lock", "cuda.lock"])
def test_nothing_is_pinned_without_a_hash(name):
    assert [one for one, line in LOCKS[name].items() if "--hash=sha256:" not in line] == []


def test_make_installs_by_hash_unless_it_is_told_a_build_of_torch():
    recipe = (ROOT / "Makefile").read_text().partition("$(STAMP): ")[2].partition(".PHONY")[0]
    installs = [line.strip() for line in recipe.splitlines() if "pip install" in line]
    assert installs == [
        "$(BIN)/pip install --quiet '$(TORCH)'",
        "$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable lib",
    ]
    for lock in LOCKS:
        assert f"$(HASHED) {lock}" in recipe


def test_environment_yml_takes_the_lock_and_the_same_torch():
    assert f"pytorch={TORCH}" in CONDA
    assert {"pip": ["-r requirements.lock"]} in CONDA
    python = next(d for d in CONDA if str(d).startswith("python=")).removeprefix("python=")
    minimum = PROJECT["requires-python"].removeprefix(">=")
    assert tuple(map(int, python.split("."))) >= tuple(map(int, minimum.split(".")))
