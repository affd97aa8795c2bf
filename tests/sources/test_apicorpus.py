import json

import polars as pl
import pytest
from fake_corpus import make_corpus, parse_corpus
from fake_wheels import damage, read_folder

from embedstudy.core.errors import StudyError
from embedstudy.sources import apicorpus
from embedstudy.sources.apicorpus import choose, module_name, prepare
from embedstudy.sources.core import manifest


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "LOCK", make_corpus(tmp_path / "data"))
    return tmp_path / "data"


def test_units_and_calls_of_every_package(tmp_path, monkeypatch):
    corpus = parse_corpus(tmp_path, monkeypatch)
    units, calls = (pl.read_parquet(corpus / f"{kind}.parquet") for kind in ("units", "calls"))
    assert units["unit"].to_list() == list(range(len(units)))
    assert units["package"].unique(maintain_order=True).to_list() == [
        f"pack{number}" for number in range(6)
    ]
    first = units.row(0, named=True)
    assert (first["module"], first["function"]) == ("pack0", "<module>")
    assert calls.row(0) == (0, "os", "", "1|", "register")
    assert "never" not in calls["receiver"].to_list()  # tests and generated code
    joined = calls.join(units, on="unit")
    assert joined.height == calls.height
    assert joined.filter(pl.col("called") == "register")["package"].n_unique() == 6


def test_the_specification_counts(tmp_path, monkeypatch):
    corpus = parse_corpus(tmp_path, monkeypatch)
    spec = json.loads((corpus / "spec.json").read_text())
    calls = pl.read_parquet(corpus / "calls.parquet")
    assert spec["unreadable_modules"] == 6
    assert spec["total"] == {
        "modules": 6 * 9,
        "functions": 6 * 8 * 13,
        "documented": 6 * 8 * 13,
        "calls": len(calls),
    }
    assert spec["packages"]["pack3"]["functions"] == 8 * 13


def test_workers_do_not_change_a_byte(data, tmp_path, monkeypatch):
    monkeypatch.setattr(apicorpus, "CHUNK", 3)  # several tasks a wheel
    prepare(data, tmp_path / "one", packages=3, workers=1)
    prepare(data, tmp_path / "two", packages=3, workers=2)
    assert read_folder(tmp_path / "one") == read_folder(tmp_path / "two")


def test_chunks_are_joined_seamlessly(data, tmp_path, monkeypatch):
    prepare(data, tmp_path / "whole", workers=1)
    monkeypatch.setattr(apicorpus, "CHUNK", 2)
    prepare(data, tmp_path / "cut", workers=1)
    assert read_folder(tmp_path / "whole") == read_folder(tmp_path / "cut")


def test_packages_are_chosen_by_name_or_from_the_smallest(data):
    (data / "pack4-1.0-py3-none-any.whl").write_bytes(b"PK")
    assert list(choose(data, ["pack5", "pack1"])) == ["pack1", "pack5"]
    assert list(choose(data, 1)) == ["pack4"]
    assert list(choose(data, None)) == [f"pack{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("packages", "sentence"),
    [
        (7, "packages is 7: a number from 1 to 6"),
        (0, "packages is 0"),
        (["pack1", "pak2"], "pak2 is not in the corpus"),
    ],
)
def test_impossible_packages_are_refused(data, packages, sentence):
    with pytest.raises(StudyError, match=sentence):
        choose(data, packages)


def test_a_corrupt_wheel_is_named_before_parsing(data, tmp_path):
    damage(data / "pack2-1.0-py3-none-any.whl")
    with pytest.raises(StudyError, match=r"pack2-1\.0.*corrupt or truncated"):
        prepare(data, tmp_path / "corpus", workers=1)
    prepare(data, tmp_path / "corpus", packages=["pack1"], workers=1)


def test_module_names():
    assert module_name("a/b/c.py") == "a.b.c"
    assert module_name("a/b/__init__.py") == "a.b"


@pytest.mark.parametrize(
    ("path", "skipped"),
    [
        ("a/core.py", False),
        ("a/latest/x.py", False),
        ("a/contest.py", False),
        ("a/test_x.py", True),
        ("a/x_test.py", True),
        ("a/tests/x.py", True),
        ("tests/x.py", True),
        ("pip/_vendor/x.py", True),
        ("a/x_pb2_grpc.py", True),
        ("a-1.0.data/scripts/x.py", True),
    ],
)
def test_what_is_not_the_packages_own_code(path, skipped):
    assert bool(apicorpus._SKIPPED.search(path)) is skipped
