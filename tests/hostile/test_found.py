"""The smallest inputs by which hostile files once got through: each is refused in one sentence."""

import io
import json
import sys
import zipfile

import polars as pl
import pytest

from embedstudy.checks.fuzz import clicks, notebooks, own_tables, texts
from embedstudy.checks.fuzz.artefacts import SPEC
from embedstudy.checks.fuzz.judge import Case, judge
from embedstudy.checks.fuzz.mutations import BOMB, DEEP, as_json, as_yaml
from embedstudy.checks.fuzz.targets import all_targets

TARGETS = all_targets()


@pytest.fixture(autouse=True)
def stack():
    """Python's own limit: parsing the corpus, in other tests of this process, leaves a higher one."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def table(name, content):
    return Case({name: content, own_tables.ARGUMENTS: b"[]"})


def parquet_of_maps():
    buffer = io.BytesIO()
    pl.DataFrame({"clicked": [{"a": 1}], "user": ["a"]}).write_parquet(buffer)
    return table("a.parquet", buffer.getvalue())


def damaged_lzma():
    """A member packed by LZMA whose first bytes after its header are others."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(zipfile.ZipInfo("corpus.jsonl"), b"{}" * 200, zipfile.ZIP_LZMA)
        archive.writestr(zipfile.ZipInfo("queries.jsonl"), b"{}")
        archive.writestr(zipfile.ZipInfo("qrels/test.tsv"), texts.QRELS)
    content = bytearray(buffer.getvalue())
    start = 30 + len("corpus.jsonl") + 9
    content[start : start + 6] = b"\xff" * 6
    return Case({"set.zip": bytes(content)})


def user_of_every_app():
    files = clicks.frappe_raw()
    lines = files["log"].splitlines(keepends=True)
    files["log"] = lines[0] + "".join(
        line.replace(line.split("\t")[0], "u0", 1) for line in lines[1:]
    )
    return clicks._packed(clicks.whole(files))


def notebook(**changes):
    return notebooks._case(as_json(dict(notebooks._notebook(False)) | changes))


def catalogue(**entry):
    tree = {"chapters": {"tables": {"a": {"notebook": "tables/10-data"} | entry}}}
    return Case({"chapters.yaml": as_yaml(tree)})


CLAIM = {"id": BOMB, "text": "t", "source": "s", "left": {"method": "qr"}}
CLAIM |= {"right": {"method": "hash"}, "budgets": [0.1], "margin": 0}

FOUND = {
    "a catalogue that is nested too deep": ("chapters.yaml", lambda: catalogue(own=DEEP)),
    "a chapter without a notebook": ("chapters.yaml", lambda: catalogue(notebook=None)),
    "settings that are a number": ("chapters.yaml", lambda: catalogue(settings=1)),
    "a claim's name that fills the memory": (
        "claims.yaml",
        lambda: Case({"claims.yaml": as_yaml([CLAIM])}),
    ),
    "a name that steers the terminal": (
        "own table, text",
        lambda: table("a.csv", b"\x1b[31mclicked,user\n1,a\n"),
    ),
    "a name that is longer than a screen": (
        "own table, text",
        lambda: table("a.csv", b"1" * 5000 + b",user\n1,a\n"),
    ),
    "a label of maps": ("own table, Parquet", parquet_of_maps),
    "a member of a zip file that is no LZMA": ("BEIR zip file", damaged_lzma),
    "a user without an app to draw": ("frappe, raw log", user_of_every_app),
    "a specification that is nested too deep": (
        "spec.json",
        lambda: Case({"spec.json": as_json(SPEC | {"events": DEEP})}),
    ),
    "splits that are no map": (
        "spec.json",
        lambda: Case({"spec.json": as_json(SPEC | {"events": ["a"]})}),
    ),
    "a split's name that is too long for a file": (
        "spec.json",
        lambda: Case({"spec.json": as_json(SPEC | {"events": {"a" * 5000: 1}})}),
    ),
    "a notebook without a version": ("notebook, executed", lambda: notebook(nbformat=None)),
    "a notebook without a minor version": (
        "notebook, executed",
        lambda: notebook(nbformat_minor=None),
    ),
    "metadata that are no map": (
        "notebook, executed",
        lambda: notebook(metadata={"papermill": None}),
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_it_is_one_sentence(what):
    name, case = FOUND[what]
    assert judge(TARGETS[name], case()) == "refused"


def test_json_may_be_nested_as_deep_as_bytes_say():
    with pytest.raises(RecursionError):
        json.loads(as_json({"a": DEEP}))
