import json
from pathlib import Path

import polars as pl
import pytest
from fake_corpus import make_corpus

from embedstudy.core.errors import StudyError
from embedstudy.sources import manifest, prepare


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a small corpus; the data sets read and write there."""
    monkeypatch.setattr(manifest, "LOCK", make_corpus(tmp_path / "data"))
    corpus = tmp_path / "prepared" / "corpus"
    monkeypatch.setattr(prepare, "CORPUS", corpus)
    places = {"corpus": (tmp_path / "data", corpus)}
    places |= {name: (corpus, tmp_path / "prepared" / name) for name in ("calls", "docs")}
    for name, (source, out) in places.items():
        module = prepare.DATASETS[name][0]
        monkeypatch.setitem(prepare.DATASETS, name, (module, source, out))
    return tmp_path / "prepared"


def test_the_corpus_and_what_is_made_from_it(project):
    prepare.prepare("corpus", {"packages": 4, "workers": 1})
    prepare.prepare("calls", {"seed": 0, "min_count": 2})
    prepare.prepare("docs", {"seed": 0})
    for name in ("corpus", "calls", "docs"):
        assert json.loads((project / name / "spec.json").read_text())["name"] == name


@pytest.mark.parametrize(
    ("dataset", "parameters", "sentence"),
    [
        ("movielense", {}, "movielense is no data set"),
        ("calls", {"seed": 0, "min_cuont": 2}, r"prepare\.calls\.min_cuont is not a parameter"),
        ("calls", {"seed": 0}, r"prepare\.calls\.min_count is missing"),
        ("calls", {"seed": "0", "min_count": 2}, r"prepare\.calls\.seed is '0'"),
        ("calls", {"seed": 0, "min_count": 0}, r"prepare\.calls\.min_count is 0"),
        ("corpus", {"packages": True}, r"prepare\.corpus\.packages is True"),
        ("corpus", {"packages": [1]}, r"prepare\.corpus\.packages is \[1\]"),
        ("docs", {"seed": 0}, "corpus is missing"),
    ],
)
def test_wrong_requests_are_one_sentence(project, dataset, parameters, sentence):
    with pytest.raises(StudyError, match=sentence):
        prepare.prepare(dataset, parameters)


def test_a_full_disk_is_one_sentence(project, monkeypatch):
    prepare.prepare("corpus", {"packages": 4, "workers": 1})
    full = Path("/dev/full")  # every write to it fails with ENOSPC
    if not full.exists():
        pytest.skip("no /dev/full here")
    write = pl.DataFrame.write_parquet
    monkeypatch.setattr(
        pl.DataFrame, "write_parquet", lambda frame, path, **options: write(frame, full, **options)
    )
    with pytest.raises(StudyError, match=r"^No space left on the device for .*docs: free some"):
        prepare.prepare("docs", {"seed": 0})
    assert [path.name for path in project.iterdir()] == ["corpus"]


def test_the_command_exits_with_the_sentence(project, monkeypatch):
    monkeypatch.setattr(prepare, "section", lambda name: {"section": name})
    with pytest.raises(SystemExit) as stop:
        prepare.main(["docs"])
    assert str(stop.value).startswith("error: params.yaml: prepare.docs.section is not a parameter")
