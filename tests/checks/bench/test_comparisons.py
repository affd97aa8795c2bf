"""Every comparison on tiny data. How fast anything is, is no matter of a test."""

import sys
import types

import numpy as np
import pytest
import torch
from tiny_encoder import write_encoder

from embedstudy.checks.bench import encoding, lookup, matryoshka, search, texts, training
from embedstudy.checks.bench.clicks import clicks
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import pretrained
from embedstudy.study.tables.train import TrainConfig


def _ratios(rows):
    return {(row.what.split(", ")[-1], row.peer): row.ratio for row in rows}


def test_training_is_compared_with_a_bare_loop_and_fuxictr():
    rows = training.compare(1, small=True)
    assert [row.peer for row in rows] == ["FuxiCTR fit", "a bare loop"] * 2
    assert all(row.ours > 0 for row in rows)
    assert all(row.ratio > 0 for row in rows if row.peer == "a bare loop")
    assert all(row.ratio or "pip install" in row.version for row in rows)


def test_fuxictr_trains_the_same_model(tmp_path):
    pytest.importorskip("fuxictr", reason="an optional peer")
    pytest.importorskip("h5py", reason="FuxiCTR needs it")
    events = clicks(small=True)
    config = TrainConfig(batch=256, lr=0.004, epochs=1, table_l2=0.001)
    fit = training.fuxictr_fit(events, config, 1, tmp_path)
    fit()
    saved = torch.load(tmp_path / events.name / "DCNv2.model")
    ours = training._backbone(events, 1)
    table = sum(events.field_rows) * 16
    assert sum(t.numel() for t in saved.values()) == table + sum(
        p.numel() for p in ours.parameters()
    )


def test_what_fuxictr_reads_are_ids_within_their_field():
    events = clicks(small=True)
    columns = training._columns(events, events.train)
    assert list(columns) == [*events.fields, "label"]
    for name, rows in zip(events.fields, events.field_rows, strict=True):
        assert columns[name].min() >= 0
        assert columns[name].max() < rows


def test_look_ups_are_compared_by_what_is_read_from_files():
    ratios = _ratios(lookup.compare(1, small=True))
    assert {name for name, _ in ratios} == {
        "full", "fp16", "int8", "int4", "hash to a tenth", "PQ to a tenth",
    }  # fmt: skip
    assert all(ratio > 0 for (_, peer), ratio in ratios.items() if peer == "nn.Embedding")


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_fbgemm_looks_up_the_same_vectors(name):
    pytest.importorskip("fbgemm_gpu", reason="an optional peer")
    table = lookup._tables(torch.randn(500, 16))[name]
    ids = torch.arange(50).flip(0)
    assert torch.equal(lookup.fbgemm(table, ids)(), table(ids))


def test_searches_are_compared_with_faiss_and_usearch():
    ratios = _ratios(search.compare(1, small=True))
    assert sum(ratio is not None and "faiss" in peer for (_, peer), ratio in ratios.items()) == 4
    assert sum(peer == "usearch, exact" for _, peer in ratios) == 3


def test_usearch_is_given_the_codes_and_the_threads(monkeypatch):
    asked = []
    fake = types.ModuleType("usearch.index")
    fake.MetricKind = types.SimpleNamespace(IP="ip", Hamming="hamming")
    fake.search = lambda *given, **options: asked.append((*given, options))
    monkeypatch.setitem(sys.modules, "usearch", types.ModuleType("usearch"))
    monkeypatch.setitem(sys.modules, "usearch.index", fake)
    vectors = search._vectors(20)
    codec = search.Binary(queries="codes").fit(vectors)
    for name in ("fp32", "int8", "bits"):
        search._usearch(name, codec, vectors, vectors[:2])()
    assert [given[0].dtype for given in asked] == [np.float32, np.int8, np.uint8]
    assert [given[3] for given in asked] == ["ip", "ip", "hamming"]
    assert all(given[-1]["exact"] and given[-1]["threads"] for given in asked)


@pytest.mark.parametrize("comparison", [encoding, matryoshka])
def test_encoders_are_compared_with_sentence_transformers(comparison, tmp_path, monkeypatch):
    folder = write_encoder(tmp_path / "tiny")
    monkeypatch.setattr(pretrained, "minilm", lambda: pretrained.load_encoder(folder))
    (row,) = comparison.compare(1, small=True)
    assert row.ratio > 0
    assert row.peer.startswith("SentenceTransformer")


@pytest.mark.parametrize("comparison", [encoding, matryoshka])
def test_an_encoder_that_is_missing_is_said_to_be(comparison, monkeypatch):
    def missing():
        raise StudyError("There is no encoder: run `make data`.")

    monkeypatch.setattr(pretrained, "minilm", missing)
    (row,) = comparison.compare(1, small=True)
    assert row.version == "not measured: There is no encoder: run `make data`."
    assert row.ours is None


def test_data_are_the_same_every_time():
    first, second = clicks(small=True), clicks(small=True)
    assert torch.equal(first.train.ids, second.train.ids)
    assert texts._random_texts(5) == texts._random_texts(5)
    assert int(first.train.ids.max()) < sum(first.field_rows)
