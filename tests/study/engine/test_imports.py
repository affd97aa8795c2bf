import json
import subprocess
import sys

import pytest

from embedstudy.core.errors import StudyError
from embedstudy.study.engine.imports import PACKAGE, closure, run_sources, source_hash

FILES = {
    "__init__.py": "",
    "base.py": "y = 1",
    "plain.py": "import toy.base",
    "late.py": "def f():\n    from toy import base\n",
    "named.py": 'WORK = \'toy.plain:work\'\n"""Read toy.family for more."""',
    "family/__init__.py": "from toy.family import a, b",
    "family/a.py": "from .shared import x",
    "family/b.py": "from ..base import y",
    "family/shared.py": "x = z = 1",
    "program/__init__.py": "",
    "program/__main__.py": "from toy import plain as p",
    "loops/__init__.py": "",
    "loops/one.py": "import toy.loops.two",
    "loops/two.py": "import toy.loops.one",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package ``toy`` of a few modules."""
    for name, text in FILES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "toy"
    for name in [name for name in sys.modules if name.split(".")[0] == "toy"]:
        del sys.modules[name]


def names(files, package):
    return [path.relative_to(package).as_posix() for path in files]


@pytest.mark.parametrize(
    ("module", "reached"),
    [
        ("toy.base", ["__init__.py", "base.py"]),
        ("toy.plain", ["__init__.py", "base.py", "plain.py"]),
        ("toy.late", ["__init__.py", "base.py", "late.py"]),
        ("toy.named", ["__init__.py", "base.py", "named.py", "plain.py"]),
        ("toy.family.shared", ["__init__.py", "base.py", "family/__init__.py", "family/a.py",
                               "family/b.py", "family/shared.py"]),
        ("toy.program", ["__init__.py", "base.py", "plain.py", "program/__init__.py",
                         "program/__main__.py"]),
        ("toy.loops.one", ["__init__.py", "loops/__init__.py", "loops/one.py", "loops/two.py"]),
    ],
)  # fmt: skip
def test_the_closure_is_what_importing_executes(toy, module, reached):
    assert names(closure(module, package=toy), toy) == reached


def test_the_closure_is_what_a_fresh_python_loads(tmp_path):
    """Against the interpreter itself, for every module that imports nothing by a computed name."""
    for module in (
        "embedstudy.pipeline.execute",
        "embedstudy.study.engine.store",
        "embedstudy.tables.core.base",
    ):
        code = (
            f"import sys, {module}; print('\\n'.join(m.__file__ for n, m in sys.modules.items() "
            "if n.split('.')[0] == 'embedstudy'))"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert sorted(output.stdout.split()) == [str(path) for path in closure(module)]


def test_a_notebooks_closure_is_that_of_its_code_cells(toy, tmp_path):
    cells = [
        {"cell_type": "markdown", "source": "import toy.plain"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from toy.loops import one\n"]},
        {"cell_type": "code", "source": "!ls\nx = 'toy.base'"},
    ]
    notebook = tmp_path / "chapter.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    reached = ["__init__.py", "base.py", "loops/__init__.py", "loops/one.py", "loops/two.py"]
    assert names(closure(notebook, package=toy), toy) == reached


def test_an_edit_is_seen_and_what_cannot_be_read_is_named(toy):
    before = source_hash(closure("toy.plain", package=toy), toy)
    assert before == source_hash(closure("toy.plain", package=toy), toy)
    (toy / "base.py").write_text("import toy.late")
    after = closure("toy.plain", package=toy)
    assert toy / "late.py" in after
    assert source_hash(after, toy) != before
    (toy / "base.py").write_text("import (")
    with pytest.raises(StudyError, match=r"base.py cannot be read as Python code"):
        closure("toy.plain", package=toy)
    with pytest.raises(StudyError, match=r"no module toy.nothing"):
        closure("toy.nothing", package=toy)
    with pytest.raises(StudyError, match=r"no file .*gone.ipynb"):
        closure(toy / "gone.ipynb", package=toy)


def test_a_run_depends_on_its_own_method_and_not_on_its_siblings(toy):
    reached = run_sources("toy.plain", ["toy.family.a"], package=toy)
    assert names(reached, toy) == ["__init__.py", "base.py", "family/a.py", "family/shared.py",
                                   "plain.py"]  # fmt: skip
    hashes = {m: source_hash(run_sources("toy.plain", [m], package=toy), toy)
              for m in ("toy.family.a", "toy.family.b")}  # fmt: skip
    (toy / "family" / "a.py").write_text("from .shared import z")
    (toy / "family" / "__init__.py").write_text("from toy.family import a, b, shared")
    for method, same in (("toy.family.a", False), ("toy.family.b", True)):
        files = run_sources("toy.plain", [method], package=toy)
        assert (source_hash(files, toy) == hashes[method]) == same
    with pytest.raises(StudyError, match="no module toy.magic"):
        run_sources("toy.magic", package=toy)


def test_work_outside_the_library_counts_too():
    files = run_sources("fake_work")
    assert [path.name for path in files if not path.is_relative_to(PACKAGE)] == ["fake_work.py"]
    assert PACKAGE / "study" / "engine" / "outcome.py" in files


def test_comments_docstrings_and_layout_are_no_code(toy):
    before = source_hash(closure("toy.plain", package=toy), toy)
    (toy / "base.py").write_text('"""What it holds."""\n\n# a number\ny  =  1\n')
    assert source_hash(closure("toy.plain", package=toy), toy) == before
    (toy / "base.py").write_text("y = 2")
    assert source_hash(closure("toy.plain", package=toy), toy) != before


# What a run may not depend on: it cannot change a row.
IDLE = ("pipeline/", "figures/", "report/", "checks/", "study/evidence/", "core/params.py",
        "core/schema.py", "core/catalogue.py", "study/engine/grid.py", "study/engine/executor.py",
        "study/engine/store.py", "study/engine/imports.py", "study/engine/progress.py",
        "study/engine/rows.py", "study/engine/keys.py", "study/engine/publish.py",
        "study/engine/twins.py", "study/engine/result.py")  # fmt: skip


@pytest.mark.parametrize(
    ("work", "loaded"),
    [
        ("embedstudy.study.tables.run", "embedstudy.tables.fewer_bits.alpt"),
        ("embedstudy.study.encoder.run", "embedstudy.sources.text.reviews"),
        ("embedstudy.study.matryoshka.run", "embedstudy.sources.text.docs"),
        ("embedstudy.study.word_table.run", "embedstudy.tables.fewer_bits.pq"),
        ("embedstudy.study.codes.run", "embedstudy.codes.binary"),
    ],
)
def test_a_runs_sources_hold_nothing_but_what_can_change_its_row(work, loaded):
    sources = names(run_sources(work, [loaded] if loaded else []), PACKAGE)
    assert [name for name in sources if name.startswith(IDLE) or name.endswith("/grid.py")] == []
    if work.endswith("tables.run"):
        other = [n for n in sources if n.startswith("tables/") and "core" not in n]
        assert "tables/sharing_rows/cafe.py" not in other
