import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets


def write(folder, name, **frames):
    (folder / name).mkdir()
    for split, frame in frames.items():
        pl.DataFrame(frame).write_parquet(folder / name / f"{split}.parquet")


def test_sick_is_scored_as_a_whole(tmp_path):
    rows = {"sentence1": ["a"], "sentence2": ["b"], "score": [1.0]}
    write(tmp_path, "sick", train=rows, valid=rows, test=rows)
    write(tmp_path, "stsb", train=rows, valid=rows, test=rows)
    assert sets.sts_pairs("SICK-R", tmp_path).height == 3
    assert sets.sts_pairs("STS-B", tmp_path).height == 1


def test_each_docstring_summary_asks_for_its_function(tmp_path):
    pairs = {"query": ["Add one.", "Sort it."], "document": ["def add", "def sort"]}
    write(tmp_path, "docs", test=pairs)
    corpus, queries, qrels = sets.docs_retrieval(prepared=tmp_path)
    assert corpus.rows() == [("0", "def add"), ("1", "def sort")]
    assert queries.rows() == [("0", "Add one."), ("1", "Sort it.")]
    assert qrels.rows() == [("0", "0", 1), ("1", "1", 1)]


def test_titles_that_are_missing_or_shared_are_not_asked(tmp_path):
    reviews = {
        "title": ["Lovely!", "", "Too small", "lovely", "!!"],
        "text": ["one", "two", "three", "four", "five"],
    }
    write(tmp_path, "reviews", test=reviews)
    corpus, queries, qrels = sets.reviews_retrieval(prepared=tmp_path)
    assert corpus["text"].to_list() == reviews["text"]
    assert queries.rows() == [("2", "Too small")]
    assert qrels.rows() == [("2", "2", 1)]


def test_a_prepared_set(tmp_path):
    corpus = {"id": ["d"], "text": ["a"]}
    write(
        tmp_path,
        "scifact",
        corpus=corpus,
        queries=corpus,
        qrels={"query": ["d"], "document": ["d"], "relevance": [1]},
    )
    assert sets.retrieval("scifact", tmp_path).corpus.rows() == [("d", "a")]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(StudyError, match="scifact/corpus.parquet is missing: run"):
        sets.retrieval("scifact", tmp_path)
    with pytest.raises(StudyError, match="no benchmark 'STS17': use one of STS12"):
        sets.sts_pairs("STS17", tmp_path)
