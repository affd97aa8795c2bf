"""Runs on codes and on the baseline encoder, with a stand-in for the vectors of all-MiniLM-L6-v2."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from embedstudy import codes
from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.report import text_costs
from embedstudy.study.codes import run as codes_run
from embedstudy.study.codes.grid import codec_runs
from embedstudy.study.codes.settings import CodesSettings

TASKS = {"docs": {"queries": 20, "documents": 60}}
TRAINING = {"docs": 300, "reviews": 10}
DIM = 32


def embedded(path, texts, folder=None):
    """A vector a text: a document and its query, which share a number, lie close together."""
    numbers = [int(text.split()[-1]) for text in texts]
    noise = np.array([len(text) for text in texts])[:, None] % 7 / 40
    rng = np.random.default_rng(0).normal(size=(1000, DIM))
    return (rng[numbers] + noise).astype(np.float32)


def forget():
    """Empty what a worker keeps from run to run."""
    codes_run.load.cache_clear()
    codes_run.training_vectors.cache_clear()


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PREPARED", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path / ".cache" / "runs")
    monkeypatch.setattr(codes_run, "vectors", embedded)
    (tmp_path / "docs").mkdir()
    for split, start, count in (("train", 0, 400), ("test", 400, 80)):
        numbers = range(start, start + count)
        frame = {"query": [f"q {i}" for i in numbers], "document": [f"code {i}" for i in numbers]}
        pl.DataFrame(frame).write_parquet(tmp_path / "docs" / f"{split}.parquet")
    forget()
    yield
    forget()


def runs(*codecs, seeds=(0,), **others):
    settings = CodesSettings(tasks=TASKS, training=TRAINING, seeds=list(seeds), **others)
    grid = codec_runs(codecs, DIM, settings)
    for run in grid:
        codes_run.check(run)
    return grid


def test_uncompressed_vectors_agree_with_exact_search():
    (full,) = runs()
    outcome = codes_run.work(full, lambda *_: None)
    assert outcome.result["agreement.docs"] == 1
    assert outcome.result["cosine.docs"] == pytest.approx(1)
    assert outcome.result["serve_bytes"] == outcome.result["full_bytes"] == 4 * DIM
    assert outcome.arrays["docs"].shape == (20,)
    assert outcome.arrays["docs"].mean() > 0.9, "a query lies beside its document"


def test_bytes_count_the_codebooks_share():
    _, run = runs(codes.Integer())
    result = codes_run.work(run, lambda *_: None).result
    assert result["code_bytes"] == DIM
    assert result["codebook_bytes"] == 2 * 4 * DIM
    assert result["serve_bytes"] == DIM + 8 * DIM / 1_000_000
    assert result["bytes.docs"] == DIM + 8 * DIM / 60


def test_only_codecs_that_draw_at_random_are_run_for_every_seed():
    grid = runs(codes.Integer(), *codes.candidates(DIM, 2), *codes.candidates(DIM, 4), seeds=(0, 1))
    seeds = {}
    for run in grid:
        seeds.setdefault(run.label, set()).add(run.seed)
    assert seeds["fp32"] == seeds["int8"] == seeds["binary"] == {0}
    assert seeds["itq"] == seeds["random-rotation"] == seeds["random-dims-binary"] == {0, 1}


BOTH = {"fitted_on": ["training", "corpus"]}


def test_codecs_that_learn_are_fitted_on_other_texts_and_on_the_corpus():
    pca = codes.build("projected", {"reduction": "pca", "dims": 4})
    full, foreign, own, plain = runs(pca, codes.build("binary", {}), **BOTH)
    assert (full.fitted_on, plain.fitted_on) == ("training", "training")
    assert [foreign.label, own.label] == ["pca-fp32", "pca-fp32 (own corpus)"]
    assert [foreign.fitted_on, own.fitted_on] == ["training", "corpus"]
    results = [codes_run.work(run, lambda *_: None).result for run in (full, foreign, own)]
    assert [result["trained_on.docs"] for result in results] == [None, 300, 60]
    assert [result["train_per_centroid"] for result in results] == [None] * 3
    index = codes_run.load("docs", '{"queries": 20, "documents": 60}')
    pca.fit(index.corpus)
    decoded = pca.decode(pca.encode(index.corpus))
    kept = (decoded * index.corpus).sum(1) / np.linalg.norm(decoded, axis=1)
    assert results[2]["cosine.docs"] == pytest.approx(kept.mean(), abs=1e-6)
    assert results[2]["cosine.docs"] > results[1]["cosine.docs"], "its axes are the corpus' own"


def test_own_corpus_names_the_codecs_and_sizes_that_are_fitted_twice():
    candidates = [*codes.candidates(DIM, 4), *codes.candidates(DIM, 8)]
    grid = runs(*candidates, own_corpus={"itq": [4], "pca-int8": [8]}, **BOTH)
    twice = [(run.label, run.budget) for run in grid if run.fitted_on == "corpus"]
    assert sorted(twice) == [("itq (own corpus)", 4 / 128), ("pca-int8 (own corpus)", 8 / 128)]
    once = runs(*candidates, own_corpus={"itq": [4]})
    assert all(run.fitted_on == "training" for run in once)
    with pytest.raises(StudyError, match="own_corpus names 'itq' of 12 bytes, which this grid"):
        runs(*candidates, own_corpus={"itq": [12]}, **BOTH)


def test_few_training_vectors_are_told_in_the_row():
    _, run = runs(codes.build("pq", {"parts": 4}))
    result = codes_run.work(run, lambda *_: None).result
    assert result["train_per_centroid"] == 300 / 256


def test_a_run_is_the_same_a_second_time():
    run = runs(*(c for c in codes.candidates(DIM, 4) if c.name == "itq"))[1]
    first, second = (codes_run.work(run, lambda *_: None) for _ in range(2))
    assert first.result == second.result
    assert first.arrays["docs"].tobytes() == second.arrays["docs"].tobytes()


def test_every_candidate_is_made_again_from_its_spec():
    for size in (128, 64, 32, 16, 8, 4, 2):
        for codec in [*codes.candidates(DIM, size), *codes.integer_rules()]:
            spec = codes.spec(codec)
            assert codes.build(**spec).name == codec.name
            assert codes.spec(codes.build(**spec)) == spec
    rescored = codes.Rescored(codes.candidates(DIM, 4)[0], codes.Integer())
    assert codes.build(**codes.spec(rescored)).name == rescored.name


def test_mistakes_are_one_sentence():
    (full,) = runs()
    with pytest.raises(StudyError, match="Unknown codec 'zip': choose one of full, float"):
        codes_run.check(replace(full, method="zip"))
    with pytest.raises(StudyError, match="Codec 'binary': .*unexpected keyword argument 'bytes'"):
        codes_run.check(replace(full, method="binary", options={"bytes": 3}))
    pairs = replace(full, tasks={"STS-B": {}})
    with pytest.raises(StudyError, match="judged by retrieval, and task 'STS-B' is none"):
        codes_run.check(pairs)
    with pytest.raises(StudyError, match="fitted on 'queries': choose one of training, corpus"):
        codes_run.check(replace(full, fitted_on="queries"))


def test_costs_at_the_foot_of_the_page():
    rows = pl.DataFrame({"key": ["a"], "label": ["int8"], "code_bytes": [384], "status": ["ok"]})
    times = {"key": ["a"]}
    times |= {f"{name}.docs": [2.0] for name in text_costs._CODES}
    times |= {f"{name}.reviews": [4.0] for name in text_costs._CODES}
    headings, lines = text_costs.codec_costs(rows, pl.DataFrame(times))
    assert headings[:2] == ["method", "bytes a code"]
    assert lines == [["int8", "384", "3.00", "3.0", "3"]]
    measured = pl.DataFrame({"key": ["a", "b"], "ms_depth.6": [5.25, None]})
    assert text_costs.encoder_costs(measured)[1] == [["a text of 32 tokens, 6 layers: ms", "5.2"]]
