"""The lists of CONTRIBUTING.md: a toy one of each is added by them to a copy of the repository.

The toys are the examples of that page, written where their first line says.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = (
    "lib/embedstudy", "notebooks", "tests", ".dvc/config", "README.md", "CONTRIBUTING.md", "claims.yaml",
    "dvc.yaml", "params.yaml", "pytest.ini",
)  # fmt: skip
CHAPTER, QUOTIENTS = "tables/quotients", "tables/17-quotients"


# -- the page -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Section:
    """``files``: pattern of each listed path -> whether it must be touched; ``blocks``: by path."""

    files: dict[str, bool]
    blocks: dict[str, str]


def sections():
    by_title = {}
    for part in (ROOT / "CONTRIBUTING.md").read_text().split("\n## ")[1:]:
        rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", part, re.M)
        files = {path: not change.startswith("only") for path, change in rows}
        blocks = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", part, re.M | re.S)
        if files:
            by_title[part.splitlines()[0]] = Section(files, dict(blocks))
    return by_title


SECTIONS = sections()


def matches(path, pattern):
    parts = re.split(r"<\w+>", pattern)
    return re.fullmatch(r"[^/]+".join(map(re.escape, parts)), path)


# -- adding ---------------------------------------------------------------------------------------
class Copy:
    """A copy of what the toys need, with one function a section that adds its toy."""

    def __init__(self, folder):
        self.folder = folder
        for name in COPIED:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        self.edit(".dvc/config", "[core]\n", "[core]\n    no_scm = true\n")
        self.edit("params.yaml", "workers: auto", "workers: 0")

    def files(self):
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).digest()
            for path in paths
        }

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def add_import(self, name, line):
        self.edit(name, "\nfrom ", f"\n{line}\nfrom ")

    def edit_cells(self, name, changes, source=None):
        """Replace strings in the cells of a notebook, or in those of a copy of ``source``."""
        cells = json.loads((self.folder / (source or name)).read_text())
        for cell in cells["cells"]:
            text = "".join(cell["source"])
            for old, new in changes.items():
                text = text.replace(old, new)
            cell["source"] = text.splitlines(keepends=True)
        (self.folder / name).write_text(json.dumps(cells, indent=1, ensure_ascii=False) + "\n")

    def write(self, section, changes=()):
        """Its blocks, with strings replaced: as new files, or at the end of those that are there."""
        for name, text in SECTIONS[section].blocks.items():
            for old, new in changes:
                name, text = name.replace(old, new), text.replace(old, new)
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            there = path.read_text() + "\n\n" if path.exists() else ""
            path.write_text(there + text)

    def run(self, *command, **more):
        """A command that uses the library of this copy; its output."""
        folders = [self.folder / name for name in ("lib", "tests", "tests/toys")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "EMBEDSTUDY_ROOT": str(self.folder),
            "EMBEDSTUDY_PIPELINE": "1",
            "DVC_NO_ANALYTICS": "1",
            "PYTEST_ADDOPTS": "",
        }
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout


def add_method(copy):
    copy.write("A table method")
    methods = "lib/embedstudy/tables/sharing_rows/methods.py"
    copy.add_import(methods, "from embedstudy.tables.sharing_rows.remainder import Remainder")
    copy.edit(methods, "FIXED = (", "FIXED = (Remainder, ")
    variant = 'variants = [\n    Variant("remainder", "remainder"),\n'
    copy.edit_cells("notebooks/tables/12-sharing-rows.ipynb", {"variants = [\n": variant})


def add_codec(copy):
    copy.write("A vector codec")
    name = "lib/embedstudy/codes/__init__.py"
    copy.add_import(name, "from embedstudy.codes.brain import Brain")
    copy.edit(name, "        Float,\n", "        Float,\n        Brain,\n")
    copy.edit(name, 'yield from (Float("fp32"),', 'yield from (Float("fp32"), Brain(),')


def add_clicks(copy):
    copy.write("A click-through data set")
    name = "lib/embedstudy/sources/official.py"
    copy.add_import(name, "from embedstudy.sources import coupons")
    line = '    "coupons": Official(coupons.prepare, (coupons.FILES,), coupons.SOURCE),\n'
    copy.edit(name, '    "criteo": ', f'{line}    "criteo": ')


def add_texts(copy):
    copy.write("A set of texts")


# The toy chapter's method is that of the first section, under another name and by another rule.
QUOTIENT = (
    ("sharing_rows", "quotients"),
    ("remainder", "quotient"),
    ("Remainder", "Quotient"),
    ("ids % self.size", "ids * self.size // sum(self.field_rows)"),
    ("[2, 3], [2, 3], [4, 5]", "[0, 1], [2, 3], [4, 5]"),
    (
        "def test_",
        "from embedstudy.tables.quotients.methods import METHODS\n\nimport torch\n\n\ndef test_",
    ),
)
NOTEBOOK = {
    "baselines": "quotients",
    '"min_count"](field_rows=[10], dim=4, kept=[3])': '"quotient"](field_rows=[10], dim=4, size=3)',
    '"low_rank"](field_rows=[10], dim=4, rank=1)': '"quotient"](field_rows=[10], dim=4, size=2)',
    '["low_rank"]': '["quotient"]',
    '["small_dim"]': '["quotient"]',
    '    Variant("smaller dimension", "small_dim"),\n': "",
    '    Variant("low rank", "low_rank"),\n': "",
    'Variant("min-count", "min_count")': 'Variant("quotient", "quotient")',
}
QUESTION = (
    "| [tables/17-quotients](notebooks/tables/17-quotients.ipynb) | do neighbours share well? |\n"
)


def add_chapter(copy):
    name = "notebooks/chapters.yaml"
    catalogue = (copy.folder / name).read_text()
    copy.write("A chapter on tables")
    (copy.folder / name).write_text(catalogue)
    copy.edit(name, "  encoders: ", SECTIONS["A chapter on tables"].blocks[name] + "  encoders: ")
    copy.write("A table method", QUOTIENT)
    copied = "notebooks/tables/11-baselines.ipynb"
    copy.edit_cells(f"notebooks/{QUOTIENTS}.ipynb", NOTEBOOK, source=copied)
    copy.edit("README.md", "| [encoders/", f"{QUESTION}| [encoders/")


def add_claim(copy):
    copy.write("A claim")


ADD = {
    "A table method": add_method,
    "A vector codec": add_codec,
    "A click-through data set": add_clicks,
    "A set of texts": add_texts,
    "A chapter on tables": add_chapter,
    "A claim": add_claim,
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The copy with all toys in it, and the paths that each of them touched."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    touched, before = {}, copy.files()
    for section, add in ADD.items():
        add(copy)
        after = copy.files()
        touched[section] = {name for name in after if after[name] != before.get(name)}
        before = after
    return copy, touched


# -- what came of it ------------------------------------------------------------------------------
def test_every_list_is_followed():
    assert list(SECTIONS) == list(ADD)


@pytest.mark.parametrize("section", ADD)
def test_a_toy_touches_what_its_list_says_and_nothing_else(toys, section):
    touched, listed = toys[1][section], SECTIONS[section].files
    assert [name for name in touched if not any(matches(name, one) for one in listed)] == []
    required = [pattern for pattern, needed in listed.items() if needed]
    assert [one for one in required if not any(matches(name, one) for name in touched)] == []


TESTS = """
    tables/test_sharing_rows.py::test_ids_that_leave_the_same_remainder_share_a_row
    tables/test_quotients.py::test_ids_that_leave_the_same_quotient_share_a_row
    tables/core/test_base.py::test_any_leading_shape[remainder]
    tables/core/test_base.py::test_planned_bytes_hold_no_surprise[quotient]
    codes/test_brain.py::test_seven_bits_of_mantissa_are_kept
    codes/test_codecs.py::test_a_codec_keeps_its_promises[bfloat16]
    sources/test_coupons.py::test_a_line_is_an_event
    sources/text/test_answers.py::test_a_question_is_answered_by_its_own_text
    pipeline/test_notebooks_clean.py::test_its_cells_are_short_and_prose_outweighs_code[tables/17-quotients]
    pipeline/test_dvc_deps.py::test_a_stage_depends_on_every_module_that_it_reaches[tables@quotients]
    test_rooms.py::test_a_family_is_a_folder_with_a_list_and_a_test_module
    test_readme.py::test_the_readme_asks_the_question_of_every_chapter
"""
KEYWORDS = (
    "remainder or quotient or bfloat16 or brain or coupons or answers or a_family_is or asks_the"
)


def test_the_tests_of_the_repository_find_the_toys_and_pass(toys):
    files = sorted({f"tests/{name.split('::')[0]}" for name in TESTS.split()})
    options = ("-vv", "--durations=5", "-p", "no:cacheprovider", "-k", KEYWORDS)
    output = toys[0].run("-m", "pytest", *options, *files)
    passed = set(re.findall(r"^tests/(\S+) PASSED", output, re.M))
    assert set(TESTS.split()) - passed == set()


def test_the_toy_method_trains_the_toy_chapter_runs_and_the_toy_claim_is_judged(toys):
    script = str(ROOT / "tests" / "toys" / "toy_chapter" / "run.py")
    names = ("sharing_rows", "remainder", CHAPTER, "remainder-holds-at-a-half")
    outcome = json.loads(toys[0].run(script, *names).splitlines()[-1])
    assert outcome["step"] == {"within": True, "moved": True, "reloaded": True}
    assert outcome["rows"] == [
        [n, "ok"] for n in ("full table", "full table, two phases", "quotient")
    ]
    claim = outcome["claim"]
    assert (claim["left"], claim["right"]) == ("remainder", "full table")
    assert claim["verdict"] in ("holds", "does not hold", "not decided")
    assert isinstance(claim["effect"], float)


def test_the_toy_chapter_is_a_stage_with_parameters_that_are_checked(toys):
    assert "tables@quotients" in toys[0].run("-m", "dvc", "stage", "list", "--name-only").split()
    assert toys[0].run("-m", "embedstudy.pipeline.chapters").startswith("Profile ")
