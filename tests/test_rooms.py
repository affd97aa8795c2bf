"""The house: which room may import which, read from the imports of every module."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from embedstudy.study.engine.imports import PACKAGE, closure

# A room may import those on floors below it, and those it names on its own.
FLOORS = [
    {"core"},
    {"measure", "sources", "tables", "backbones"},
    {"codes", "encoders"},
    {"study"},
    {"figures"},
    {"notebook", "pipeline"},
    {"report", "checks"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
TESTS = Path(__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)
# What nobody needs who uses a library of compressors in code of his own.
FOREIGN = {"dvc", "papermill", "nbformat", "nbconvert", "altair", "vl_convert", "IPython"}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Dotted names that a module imports, by ``ast``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_floor():
    rooms = {room(path) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    assert rooms == set(LEVEL)


def test_no_import_points_back_up():
    up = []
    for path in [*MODULES, PACKAGE / "notebook.py"]:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "embedstudy" or parts[1] not in LEVEL:
                continue
            if parts[1] != room(path) and LEVEL[parts[1]] >= LEVEL[room(path)]:
                up.append(f"{path.relative_to(PACKAGE)} -> {name}")
    assert up == []


@pytest.mark.parametrize("name", ["core", "measure", "tables", "backbones", "codes", "encoders"])
def test_a_library_room_knows_nothing_of_the_study_or_its_tools(name):
    for path in (PACKAGE / name).rglob("*.py"):
        tools = {one.split(".")[0] for one in imported(path)} & FOREIGN
        assert tools == set(), path
        reached = {room(file) for file in closure(path) if file.parent != PACKAGE}
        assert reached & {"study", "pipeline", "figures", "report", "checks"} == set(), path


def test_tables_need_no_other_room_than_the_ground_floor():
    reached = {room(file) for path in (PACKAGE / "tables").rglob("*.py") for file in closure(path)}
    assert reached <= {"tables", "core", "__init__"}


@pytest.mark.parametrize("place", ["tables", "encoder", "matryoshka", "word_table", "codes"])
def test_every_place_of_the_study_has_the_same_file_names(place):
    names = {path.name for path in (PACKAGE / "study" / place).glob("*.py")}
    assert {"types.py", "settings.py", "grid.py", "run.py"} <= names


def test_a_family_is_a_folder_with_a_list_and_a_test_module():
    tables = importlib.import_module("embedstudy.tables")
    families = [one.name for one in pkgutil.iter_modules(tables.__path__) if one.ispkg]
    families = [name for name in families if name != "core"]
    for family in families:
        listed = importlib.import_module(f"embedstudy.tables.{family}.methods").METHODS
        assert listed, family
        assert all(name == table.method for name, table in listed.items())
        if family != "reference":
            assert (TESTS / "tables" / f"test_{family}.py").is_file()


def test_no_folder_holds_more_than_a_screen_of_files():
    sizes = {
        path: sum(1 for file in path.glob("*.py") if file.name != "__init__.py")
        for path in {module.parent for module in MODULES}
    }
    assert max(sizes.values()) <= 20


def test_evidence_is_read_without_torch():
    code = (
        "import sys\n"
        "from embedstudy.study.evidence import claims, comparisons, frontier, text_evidence\n"
        "from embedstudy.pipeline import chapters\n"
        "chapters.check_all()\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
