import json
import shutil
import subprocess
import sys

import pytest

from embedstudy.core.errors import StudyError
from embedstudy.study.engine import imports
from embedstudy.study.engine.imports import closure, differences, rewrite, run_sources, source_hash

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
    assert names(imports(module, package=toy), toy) == reached


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
        assert sorted(output.stdout.split()) == [str(path) for path in imports(module)]


def test_a_notebooks_closure_is_that_of_its_code_cells(toy, tmp_path):
    cells = [
        {"cell_type": "markdown", "source": "import toy.plain"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from toy.loops import one\n"]},
        {"cell_type": "code", "source": "!ls\nx = 'toy.base'"},
    ]
    notebook = tmp_path / "chapter.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    reached = ["__init__.py", "base.py", "loops/__init__.py", "loops/one.py", "loops/two.py"]
    assert names(imports(notebook, package=toy), toy) == reached


def test_an_edit_is_seen_and_what_cannot_be_read_is_named(toy):
    before = source_hash(imports("toy.plain", package=toy), toy)
    assert before == source_hash(imports("toy.plain", package=toy), toy)
    (toy / "base.py").write_text("import toy.late")
    after = imports("toy.plain", package=toy)
    assert toy / "late.py" in after
    assert source_hash(after, toy) != before
    (toy / "base.py").write_text("import (")
    with pytest.raises(StudyError, match=r"base.py cannot be read as Python code"):
        imports("toy.plain", package=toy)
    with pytest.raises(StudyError, match=r"no module toy.nothing"):
        imports("toy.nothing", package=toy)
    with pytest.raises(StudyError, match=r"no file .*gone.ipynb"):
        imports(toy / "gone.ipynb", package=toy)


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
    assert [path.name for path in files if not path.is_relative_to(closure.PACKAGE)] == [
        "fake_work.py"
    ]
    assert closure.PACKAGE / "study" / "outcome.py" in files


DVC = """\
# what the study does
stages:
  data:   # first
    cmd: python -m embedstudy.prepare --fast
    deps:
      - data/raw.csv   # from far away
      - lib/embedstudy/stale.py
      - lib/embedstudy/prepare.py   # the stage itself
    outs:
      - results/data
  chapter:
    cmd: python -m embedstudy.pipeline.execute tables/11-first
    params: [quick.first]
    deps:
      - results/data
  other:
    cmd: echo done
    deps: [data/raw.csv]
"""


@pytest.fixture
def checkout(tmp_path):
    """A project with a dvc.yaml, a notebook and a library of its own."""
    package = tmp_path / "lib" / "embedstudy"
    for name, text in {
        "__init__.py": "",
        "prepare.py": "from embedstudy import shared",
        "shared.py": "",
        "study/__init__.py": "",
        "study/execute.py": "",
        "method.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    (tmp_path / "notebooks" / "tables").mkdir(parents=True)
    cell = {"cell_type": "code", "source": "from embedstudy import method"}
    (tmp_path / "notebooks/tables/11-first.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "dvc.yaml").write_text(DVC)
    return tmp_path / "dvc.yaml"


def test_differences_of_dvc_yaml_are_listed_and_rewritten(checkout):
    assert differences(checkout) == [
        "data: missing lib/embedstudy/__init__.py",
        "data: missing lib/embedstudy/shared.py",
        "data: not imported lib/embedstudy/stale.py",
        "chapter: missing notebooks/tables/11-first.ipynb",
        "chapter: missing lib/embedstudy/__init__.py",
        "chapter: missing lib/embedstudy/method.py",
        "chapter: missing lib/embedstudy/study/__init__.py",
        "chapter: missing lib/embedstudy/study/execute.py",
    ]
    rewrite(checkout)
    assert differences(checkout) == []
    expected = DVC.replace(
        "      - lib/embedstudy/stale.py\n      - lib/embedstudy/prepare.py   # the stage itself\n",
        "      - lib/embedstudy/__init__.py\n"
        "      - lib/embedstudy/prepare.py   # the stage itself\n"
        "      - lib/embedstudy/shared.py\n",
    ).replace(
        "      - results/data\n  other",
        "      - results/data\n"
        "      - notebooks/tables/11-first.ipynb\n"
        "      - lib/embedstudy/__init__.py\n"
        "      - lib/embedstudy/method.py\n"
        "      - lib/embedstudy/study/__init__.py\n"
        "      - lib/embedstudy/study/execute.py\n"
        "  other",
    )
    assert checkout.read_text() == expected
    rewrite(checkout)
    assert checkout.read_text() == expected


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("embedstudy.prepare", "embedstudy.${item}", "must be named, not a template"),
        ("embedstudy.prepare", "embedstudy.gone", "no module embedstudy.gone"),
        ("11-first", "12-gone", r"no file .*12-gone.ipynb"),
        ("    deps:\n      - results/data\n  other", "  other", "'chapter' needs a list 'deps:'"),
        ("stages:", "stages: [", "is not valid YAML"),
    ],
)
def test_a_dvc_yaml_that_cannot_be_followed_is_refused(checkout, old, new, sentence):
    checkout.write_text(DVC.replace(old, new))
    with pytest.raises(StudyError, match=sentence):
        differences(checkout)


def test_the_command_line_says_what_to_do(checkout):
    def run(action):
        command = [sys.executable, "-m", "embedstudy.study.engine.imports", action, str(checkout)]
        return subprocess.run(command, capture_output=True, text=True)

    checked = run("--check")
    assert checked.returncode == 1
    assert "8 differences" in checked.stderr
    assert run("--write").returncode == 0
    assert run("--check").returncode == 0
    shutil.rmtree(checkout.parent / "notebooks")
    broken = run("--check")
    assert broken.returncode == 1
    assert broken.stderr.startswith("error: There is no file")
