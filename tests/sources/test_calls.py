import json

import numpy as np
import polars as pl
import pytest
from fake_corpus import parse_corpus
from fake_wheels import read_folder

from embedstudy.core.errors import StudyError
from embedstudy.sources.calls import FIELDS, prepare, split_calls, with_negatives
from embedstudy.sources.core.nearduplicates import COLUMNS


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    return parse_corpus(tmp_path, monkeypatch)


def test_no_function_and_no_near_identical_pair_is_in_two_splits(corpus):
    units = pl.read_parquet(corpus / "units.parquet")
    splits = split_calls(corpus, seed=0)
    held = {
        split: units.filter(pl.col("unit").is_in(frame["unit"].unique().to_list()))
        for split, frame in splits.items()
    }
    together = pl.concat(held.values())
    assert together["unit"].is_unique().all()
    for column in COLUMNS:
        assert together[column].is_unique().all()
    assert units["function"].value_counts().filter(function="common")["count"].item() == 48
    assert together.filter(function="common").height == 1
    shares = [len(frame) / len(together) for frame in held.values()]
    assert np.allclose(shares, [0.8, 0.1, 0.1], atol=0.01)


def test_splits_hold_every_call_of_their_functions(corpus):
    calls = pl.read_parquet(corpus / "calls.parquet")
    for frame in split_calls(corpus, seed=0).values():
        mine = calls.filter(pl.col("unit").is_in(frame["unit"].unique().to_list()))
        assert frame.select(mine.columns).equals(mine)


def zipf_calls(count, names=50, seed=0):
    random = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, names + 1)
    called = random.choice(names, count, p=frequency / frequency.sum())
    columns = dict.fromkeys(FIELDS[:-1], pl.int_range(count, eager=True).cast(pl.String))
    return pl.DataFrame({"unit": 0} | columns | {"called": [f"name{one}" for one in called]})


@pytest.mark.parametrize("negatives", [1, 3])
def test_negatives_follow_their_call_and_never_equal_it(negatives):
    calls = zipf_calls(5000)
    events = with_negatives(calls, negatives, np.random.default_rng(0))
    assert events.columns == ["label", "unit", *FIELDS]
    blocks = events.with_row_index().with_columns(block=pl.col("index") // (1 + negatives))
    assert events["label"].to_list() == ([1] + [0] * negatives) * 5000
    real = blocks.filter(label=1)
    assert real["called"].to_list() == calls["called"].to_list()
    pairs = blocks.filter(label=0).join(real, on="block")
    assert pairs.height == 5000 * negatives
    assert (pairs["called"] != pairs["called_right"]).all()
    assert all((pairs[name] == pairs[f"{name}_right"]).all() for name in FIELDS[:-1])


def test_negatives_follow_the_popularity_of_the_names():
    calls = zipf_calls(60_000)
    events = with_negatives(calls, 1, np.random.default_rng(0))
    share = events.group_by("called").agg(rate=pl.col("label").mean(), n=pl.len())
    frequent = share.filter(pl.col("n") > 4000)
    p = dict(calls["called"].value_counts(normalize=True).iter_rows())
    # P(negative = a) = sum over real names b != a of p(b) p(a) / (1 - p(b))
    drawn = {a: p[a] * sum(p[b] / (1 - p[b]) for b in p if b != a) for a in p}
    expected = [p[name] / (p[name] + drawn[name]) for name in frequent["called"]]
    assert len(frequent) > 3
    assert np.allclose(frequent["rate"], expected, atol=0.02)


def test_a_split_with_one_name_is_refused():
    calls = zipf_calls(10, names=1)
    with pytest.raises(StudyError, match="calls one name only"):
        with_negatives(calls, 1, np.random.default_rng(0))


def test_two_runs_write_the_same_bytes_and_another_seed_others(corpus, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        prepare(corpus, tmp_path / name, seed=seed, min_count=2)
    first, second, other = (read_folder(tmp_path / name) for name in "abc")
    assert first == second
    assert first["test.parquet"] != other["test.parquet"]


def test_the_prepared_set(corpus, tmp_path):
    prepare(corpus, tmp_path / "calls", seed=0, min_count=5, negatives=2)
    spec = json.loads((tmp_path / "calls" / "spec.json").read_text())
    assert [field["name"] for field in spec["fields"]] == FIELDS
    assert len(FIELDS) >= 7
    raw = {split: len(frame) for split, frame in split_calls(corpus, seed=0).items()}
    assert spec["events"] == {split: 3 * count for split, count in raw.items()}
    assert spec["positive_rate"]["test"] == pytest.approx(1 / 3)
    train = pl.read_parquet(tmp_path / "calls" / "train.parquet")
    counts = train.filter(pl.col("called") > 0)["called"].value_counts()
    assert counts["count"].min() >= 5
    test = pl.read_parquet(tmp_path / "calls" / "test.parquet")
    assert (test["function"] == 0).any()  # functions of other names than those trained on
    assert test.filter(pl.col("function") == 0)["unseen"].any()


def test_no_negative_is_refused(corpus, tmp_path):
    with pytest.raises(StudyError, match="negatives is 0"):
        prepare(corpus, tmp_path / "calls", seed=0, min_count=1, negatives=0)
