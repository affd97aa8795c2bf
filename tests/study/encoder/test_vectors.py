"""Texts of the chapters on codes, encoded once, by a tiny encoder in place of all-MiniLM-L6-v2."""

import numpy as np
import polars as pl
import pytest
from tiny_encoder import write_encoder

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import cache
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.core.pretrained import load_encoder
from embedstudy.study.encoder import vectors
from embedstudy.study.engine.executor import Serial

SECTION = {"tasks": {"docs": {"queries": 3, "documents": 6}}, "training": {"docs": 5}}


@pytest.fixture
def encoded(project, monkeypatch):
    """The texts encoded so far, list by list, in a project with 8 pairs of ``docs``."""
    folder = paths.PREPARED / "docs"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        query = [f"the {split} cat {i}" for i in range(8)]
        pairs = {"query": query, "document": [f"{one} sat on a mat" for one in query]}
        pl.DataFrame(pairs).write_parquet(folder / f"{split}.parquet")
    monkeypatch.setattr(vectors, "MINILM", write_encoder(project / "tiny"))
    monkeypatch.setattr(vectors, "Processes", lambda _workers, threads: Serial(threads))
    monkeypatch.setattr(vectors.params, "resolve_workers", lambda *_: 2)
    monkeypatch.setattr(vectors.params, "section", lambda _name: SECTION)
    lists = []
    monkeypatch.setattr(cache, "encode", lambda *a, **k: lists.append(a[1]) or encode(*a, **k))
    return lists


def test_each_list_is_encoded_once_and_the_longest_first(encoded):
    vectors.main()
    sizes = [sum(map(len, texts)) for texts in encoded]
    assert len(sizes) == 3, "documents, queries and training texts, though two chapters ask"
    assert sizes == sorted(sizes, reverse=True)
    vectors.main()
    assert len(encoded) == 3
    texts = encoded[0]
    found = cache.vectors(vectors.MINILM, texts, cache.pipeline_folder())
    assert np.array_equal(found, encode(load_encoder(vectors.MINILM), texts))


def test_what_no_chapter_asks_for_goes(encoded, monkeypatch):
    vectors.main()
    monkeypatch.setattr(vectors.params, "section", lambda _name: SECTION | {"training": {}})
    vectors.main()
    assert len(list(cache.pipeline_folder().glob("*.npy"))) == 2
    assert len(encoded) == 3


def test_a_set_that_is_not_prepared_is_left_out(encoded):
    section = {"tasks": SECTION["tasks"] | {"SICK-R": {}}}
    assert {one.name for one in vectors.text_lists(section)} == {"docs"}


def test_a_chapter_by_hand_takes_what_is_encoded(encoded, monkeypatch, capsys):
    vectors.main()
    monkeypatch.delenv("EMBEDSTUDY_PIPELINE")
    vectors.ensure({"docs": {"queries": 3, "documents": 6}})
    assert len(encoded) == 3
    vectors.ensure({"docs": {"queries": 6, "documents": 8}})
    before = set(encoded[0]) | set(encoded[1]) | set(encoded[2])
    new = [text for texts in encoded[3:] for text in texts]
    assert new
    assert not before & set(new)
    assert "100%" in capsys.readouterr().err


def test_a_list_that_fails_is_named(encoded, monkeypatch):
    monkeypatch.setattr(cache, "load_encoder", lambda path: 1 / 0)
    with pytest.raises(StudyError, match="Texts of docs could not be encoded: ZeroDivisionError"):
        vectors.main()
