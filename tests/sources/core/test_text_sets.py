import sys

import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets, tasks
from embedstudy.sources import official, text
from embedstudy.sources.core import text_sets

TOY = """
from pathlib import Path

from embedstudy.sources.core.raw_files import Official
from embedstudy.sources.core.text_files import TEXT, JUDGEMENT, write_retrieval
from embedstudy.sources.core.text_sets import TextSet, prepared_triple
import polars as pl


def prepare(directory, folder):
    words = (Path(directory) / "words.txt").read_text().split()
    corpus = pl.DataFrame([(word, word) for word in words], TEXT, orient="row")
    qrels = pl.DataFrame([(word, word, 1) for word in words], JUDGEMENT, orient="row")
    about = {"protocol": "Find a word by itself.", "where": directory, "source": "a list of words"}
    return write_retrieval(folder, "toyset", corpus, corpus, qrels, **about)


SETS = (
    TextSet(
        folder="toyset",
        retrieval=prepared_triple,
        official=Official(prepare, (["words.txt"],), "a list of words"),
    ),
)
"""


def forget():
    """Have the sets discovered again."""
    text_sets._declared.cache_clear()
    official.official_sets.cache_clear()


@pytest.fixture
def extra(tmp_path, monkeypatch):
    """A folder beside those of the package: a module written there is one more text set."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setattr(text, "__path__", [*text.__path__, str(folder)])
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    yield folder
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.startswith(f"{text.__name__}.toy")]:
        del sys.modules[name]
    forget()


def test_one_file_makes_a_task_and_an_official_set(extra, tmp_path):
    (extra / "toy_words.py").write_text(TOY)
    forget()
    assert tasks.available(["toyset", "docs"]) == []
    (tmp_path / "words.txt").write_text("wing heat flow")
    assert official.main(["toyset", "--from", str(tmp_path)]) == 0
    assert tasks.available(["toyset", "docs"]) == ["toyset"]
    assert tasks.load("toyset").text_lists() == [["wing", "heat", "flow"]] * 2
    assert sets.retrieval("toyset").queries["text"].to_list() == ["wing", "heat", "flow"]
    assert tasks.is_retrieval("toyset")
    assert "embedstudy.sources.text.toy_words" in tasks.modules(["toyset"])
    with pytest.raises(StudyError, match="did you mean 'toyset'"):
        tasks.check("toysets", {})


def test_two_files_cannot_declare_the_same_set(extra):
    for name in ("toy_one", "toy_two"):
        (extra / f"{name}.py").write_text(TOY)
    forget()
    with pytest.raises(ValueError, match="both declare toyset"):
        text_sets.text_sets()


def test_every_set_says_how_it_judges_and_where_it_is_had():
    for one in text_sets.text_sets():
        assert not (one.retrieval and one.pairs)
        assert one.official or one.training
        assert all(text_sets.task_sets()[name].training for name in one.training_from)
        assert bool(one.pairs) == bool(one.scale)
        assert one.training is None or one.retrieval


def test_a_set_that_only_trains_is_no_task():
    assert "snli" in {one.folder for one in text_sets.text_sets()}
    assert "snli" not in text_sets.task_sets()


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(StudyError, match="docs/test.parquet is missing: run"):
        text_sets.read_split(tmp_path / "docs", "test")


def test_a_query_is_answered_by_the_document_of_its_row():
    words = pl.Series(["a", "b"])
    triple = text_sets.one_to_one(words, words.str.to_uppercase(), pl.Series([False, True]))
    assert triple.corpus.rows() == [("0", "A"), ("1", "B")]
    assert triple.queries.rows() == [("1", "b")]
    assert triple.qrels.rows() == [("1", "1", 1)]
