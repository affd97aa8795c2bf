import inspect
import json
from pathlib import Path

import polars as pl
import pytest
from fake_corpus import make_corpus

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import check
from embedstudy.sources import apicorpus, calls, movielens
from embedstudy.sources.core import command, manifest
from embedstudy.sources.text import docs, reviews

MODULES = {
    "movielens": (movielens, False),
    "corpus": (apicorpus, False),
    "calls": (calls, True),
    "docs": (docs, True),
    "reviews": (reviews, False),
}


def prepare(name, parameters):
    module, corpus = MODULES[name]
    command.prepare_named(name, module.prepare, module.RULES, parameters, corpus)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Where a small corpus and what is made from it are prepared."""
    monkeypatch.setattr(manifest, "LOCK", make_corpus(tmp_path / "data"))
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    return tmp_path / "prepared"


def test_the_corpus_and_what_is_made_from_it(prepared):
    prepare("corpus", {"packages": 4, "workers": 1})
    prepare("calls", {"seed": 0, "min_count": 2, "events": 300})
    prepare("docs", {"seed": 0})
    for name in ("corpus", "calls", "docs"):
        assert json.loads((prepared / name / "spec.json").read_text())["name"] == name
    spec = json.loads((prepared / "calls" / "spec.json").read_text())
    assert 297 <= sum(spec["events"].values()) <= spec["sample"] == 300


@pytest.mark.parametrize("name", MODULES)
def test_every_argument_has_a_rule_that_its_default_obeys(name):
    module, _ = MODULES[name]
    arguments = {
        argument: one
        for argument, one in inspect.signature(module.prepare).parameters.items()
        if one.kind is one.KEYWORD_ONLY
    }
    assert arguments.keys() == module.RULES.keys()
    defaults = {a: one.default for a, one in arguments.items() if one.default is not one.empty}
    check(defaults, module.RULES)


@pytest.mark.parametrize(
    ("dataset", "parameters", "sentence"),
    [
        ("calls", {"seed": 0, "min_cuont": 2}, r"prepare\.calls\.min_cuont is not a parameter"),
        ("calls", {"seed": 0}, r"prepare\.calls\.min_count is missing: it must be a whole number"),
        ("calls", {"seed": "0", "min_count": 2}, r"prepare\.calls\.seed is '0'"),
        ("calls", {"seed": 2**70, "min_count": 2}, r"prepare\.calls\.seed is 11805"),
        ("calls", {"seed": 0, "min_count": 0}, r"prepare\.calls\.min_count is 0"),
        ("calls", {"seed": 0, "min_count": 1, "events": 0}, r"prepare\.calls\.events is 0"),
        ("corpus", {"packages": True}, r"prepare\.corpus\.packages is True"),
        ("corpus", {"packages": [1]}, r"prepare\.corpus\.packages is \[1\]"),
        ("docs", {"seed": 0}, r"corpus is missing: run .*sources\.apicorpus` first"),
    ],
)
def test_wrong_requests_are_one_sentence(prepared, dataset, parameters, sentence):
    with pytest.raises(StudyError, match=sentence):
        prepare(dataset, parameters)


def test_a_full_disk_is_one_sentence(prepared, monkeypatch):
    prepare("corpus", {"packages": 4, "workers": 1})
    full = Path("/dev/full")  # every write to it fails with ENOSPC
    if not full.exists():
        pytest.skip("no /dev/full here")
    write = pl.DataFrame.write_parquet
    monkeypatch.setattr(
        pl.DataFrame, "write_parquet", lambda frame, path, **options: write(frame, full, **options)
    )
    with pytest.raises(StudyError, match=r"^No space left on the device for .*docs: free some"):
        prepare("docs", {"seed": 0})
    assert [path.name for path in prepared.iterdir()] == ["corpus"]


def test_the_command_exits_with_the_sentence(prepared, monkeypatch):
    monkeypatch.setattr(command, "section", lambda name: {"section": name})
    with pytest.raises(SystemExit) as stop:
        command.main("docs", docs.prepare, docs.RULES, corpus=True, arguments=[])
    assert str(stop.value).startswith("error: params.yaml: prepare.docs.section is not a parameter")
