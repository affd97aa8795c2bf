import json

import polars as pl
import pytest
from fake_corpus import parse_corpus
from fake_wheels import read_folder

from embedstudy.core.errors import StudyError
from embedstudy.sources.text.docs import COLUMNS, prepare, read_pairs, retrieval, split_packages


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    return parse_corpus(tmp_path, monkeypatch)


def write_units(folder, rows):
    """A corpus of given (function, summary, details, code), none near-identical to another."""
    folder.mkdir()
    bands = pl.int_range(len(rows), dtype=pl.UInt64, eager=True)
    units = pl.DataFrame(
        {
            "package": "p",
            "module": "p.m",
            "class": ["A" if name == "method" else "" for name, *_ in rows],
            **{
                key: [row[at] for row in rows]
                for at, key in enumerate(("function", "summary", "details", "code"))
            },
            "documented": True,
            **{f"band{number}": bands for number in range(4)},
        }
    )
    units.write_parquet(folder / "units.parquet")


def test_a_pair_is_summary_against_the_rest(tmp_path):
    rows = [
        ("method", "Count the open boxes.", "All of them.", "def method(self):\n    pass"),
        ("plain", "Close the last box.", "", "def plain():\n    pass"),
    ]
    write_units(tmp_path / "corpus", rows)
    pairs = read_pairs(tmp_path / "corpus", min_words=4, max_chars=2000)
    assert pairs.columns == COLUMNS
    assert pairs.rows() == [
        ("p", "p.m", "A.method", rows[0][1], "All of them.\ndef method(self):\n    pass"),
        ("p", "p.m", "plain", rows[1][1], "def plain():\n    pass"),
    ]


def test_short_repeated_and_uncoded_summaries_are_left_out(tmp_path):
    rows = [
        ("one", "Return the open boxes.", "", "def one(): 1"),
        ("two", "return  the open, boxes", "", "def two(): 2"),
        ("three", "Return 1 2 3 it.", "", "def three(): 3"),
        ("four", "Return all the lids.", "", ""),
        ("five", "Drop all the lids.", "", "def one(): 1"),
    ]
    write_units(tmp_path / "corpus", rows)
    pairs = read_pairs(tmp_path / "corpus", min_words=4, max_chars=2000)
    assert pairs["qualname"].to_list() == ["one"]


def test_documents_are_cut_but_keep_code_beside_a_long_docstring(tmp_path):
    write_units(tmp_path / "corpus", [("one", "Open all the boxes.", "d" * 500, "c" * 500)])
    pairs = read_pairs(tmp_path / "corpus", min_words=1, max_chars=100)
    assert pairs["document"].item() == "d" * 50 + "\n" + "c" * 49


def test_test_packages_are_unseen_and_nothing_repeats(corpus, tmp_path):
    prepare(corpus, tmp_path / "docs", seed=0)
    spec = json.loads((tmp_path / "docs" / "spec.json").read_text())
    frames = {
        split: pl.read_parquet(tmp_path / "docs" / f"{split}.parquet") for split in spec["pairs"]
    }
    assert {split: len(frame) for split, frame in frames.items()} == spec["pairs"]
    seen = [frame["package"].unique().sort().to_list() for frame in frames.values()]
    assert seen == list(spec["packages"].values())
    together = pl.concat(frames.values())
    assert sum(map(len, seen)) == together["package"].n_unique() == 6
    assert together["query"].is_unique().all()
    assert together["document"].is_unique().all()
    assert together.filter(pl.col("qualname") == "common").height == 1
    assert not together["document"].str.contains(together["query"], literal=True).any()


def test_whole_packages_fill_a_tenth(tmp_path):
    sizes = {"a": 500, "b": 300, "c": 60, "d": 50, "e": 40, "f": 30, "g": 20}
    pairs = pl.DataFrame({"package": [name for name, size in sizes.items() for _ in range(size)]})
    where = split_packages(pairs, seed=0)
    assert sorted(name for names in where.values() for name in names) == list(sizes)
    for split in ("valid", "test"):
        assert 0 < sum(sizes[name] for name in where[split]) <= 100
    assert {"a", "b"} <= set(where["train"])
    assert where != split_packages(pairs, seed=1)


def test_two_packages_cannot_make_three_splits():
    with pytest.raises(StudyError, match="2 packages cannot make 3 splits"):
        split_packages(pl.DataFrame({"package": ["a", "b"]}), seed=0)


def test_two_runs_write_the_same_bytes(corpus, tmp_path):
    for name in "ab":
        prepare(corpus, tmp_path / name, seed=0)
    assert read_folder(tmp_path / "a") == read_folder(tmp_path / "b")


def test_each_summary_asks_for_its_function(tmp_path):
    pairs = {"query": ["Add one.", "Sort it."], "document": ["def add", "def sort"]}
    pl.DataFrame(pairs).write_parquet(tmp_path / "test.parquet")
    corpus, queries, qrels = retrieval(tmp_path)
    assert corpus.rows() == [("0", "def add"), ("1", "def sort")]
    assert queries.rows() == [("0", "Add one."), ("1", "Sort it.")]
    assert qrels.rows() == [("0", "0", 1), ("1", "1", 1)]
