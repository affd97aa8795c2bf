import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import movielens_official

RATINGS = [(1 + i % 5, 10 + i % 3, 1 + i % 5 if i % 2 else 5 - i % 4) for i in range(200)]


def write_1m(directory):
    lines = [f"{user}::{movie}::{stars}::97830{user}" for user, movie, stars in RATINGS]
    (directory / "ratings.dat").write_text("\n".join(lines) + "\n")
    users = [f"{user}::{'FM'[user % 2]}::{25}::{user}::{user:05}" for user in range(1, 6)]
    (directory / "users.dat").write_text("\n".join(users) + "\n")
    movies = ["10::Misérables, Les (1995)::Drama", "11::Alien: a (1979)::Horror|Sci-Fi"]
    movies += ["12::Ed\x85 (1996)::Drama"]
    (directory / "movies.dat").write_bytes(("\n".join(movies) + "\n").encode("latin-1"))


def write_20m(directory):
    lines = [f"{user},{movie},{stars - 0.5},112548{user}" for user, movie, stars in RATINGS]
    (directory / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(lines))
    movies = [
        '10,"Misérables, Les (1995)",Drama',
        "11,Alien: a (1979),Horror|Sci-Fi",
        "12,Ed,Drama",
    ]
    (directory / "movies.csv").write_text("movieId,title,genres\n" + "\n".join(movies) + "\n")


def total(spec):
    events = sum(spec["events"].values())
    positive = sum(spec["events"][s] * (spec["positive_rate"][s] or 0) for s in spec["events"])
    return events, round(positive)


def test_1m_leaves_out_the_neutral_three(tmp_path):
    write_1m(tmp_path)
    spec = movielens_official.prepare_1m(tmp_path, tmp_path / "out")
    stars = [stars for _, _, stars in RATINGS]
    assert total(spec) == (sum(s != 3 for s in stars), sum(s >= 4 for s in stars))
    assert spec["name"] == "movielens-1m"
    rows = {field["name"]: field["rows"] - 1 for field in spec["fields"]}
    assert rows == {
        "user": 5,
        "movie": 3,
        "gender": 2,
        "age": 1,
        "occupation": 5,
        "zip": 5,
        "genres": 2,
    }


def test_1m_thresholds_are_arguments(tmp_path):
    write_1m(tmp_path)
    spec = movielens_official.prepare_1m(tmp_path, tmp_path / "out", negative_to=3)
    assert total(spec)[0] == 200


def test_20m_counts_four_stars_and_more_as_positive(tmp_path):
    write_20m(tmp_path)
    spec = movielens_official.prepare_20m(tmp_path, tmp_path / "out")
    stars = [stars - 0.5 for _, _, stars in RATINGS]
    assert total(spec) == (200, sum(s >= 4 for s in stars))
    rows = {field["name"]: field["rows"] - 1 for field in spec["fields"]}
    assert rows == {"user": 5, "movie": 3, "genres": 2, "released": 3}  # 1995, 1979, none


def test_rows_keep_the_users_and_movies_of_their_ratings(tmp_path):
    write_1m(tmp_path)
    movielens_official.prepare_1m(tmp_path, tmp_path / "out")
    train = pl.read_parquet(tmp_path / "out" / "train.parquet")
    assert train.select("user", "zip").n_unique() == 5  # a function of the user
    assert train.select("movie", "genres").n_unique() == 3


def test_wrong_column_count_names_file_and_line(tmp_path):
    write_1m(tmp_path)
    (tmp_path / "users.dat").write_text("1::F::25::3::00001\n2::M::25\n")
    with pytest.raises(StudyError, match="users.dat, line 2 has 3 columns where 5 "):
        movielens_official.prepare_1m(tmp_path, tmp_path / "out")


def test_a_user_described_twice_or_not_at_all_is_refused(tmp_path):
    write_1m(tmp_path)
    path = tmp_path / "users.dat"
    users = path.read_text()
    path.write_text(users + "3::F::25::3::00003\n")
    with pytest.raises(StudyError, match="users.dat describes user 3 twice: replace it by"):
        movielens_official.prepare_1m(tmp_path, tmp_path / "out")
    path.write_text("".join(users.splitlines(keepends=True)[:4]))
    with pytest.raises(StudyError, match="ratings with user 5, which users.dat does not describe"):
        movielens_official.prepare_1m(tmp_path, tmp_path / "out")


def test_a_movie_described_twice_or_not_at_all_is_refused(tmp_path):
    write_20m(tmp_path)
    path = tmp_path / "movies.csv"
    movies = path.read_text()
    path.write_text(movies + "10,Again,Drama\n")
    with pytest.raises(StudyError, match="movies.csv describes movie 10 twice"):
        movielens_official.prepare_20m(tmp_path, tmp_path / "out")
    path.write_text(movies.replace("12,Ed", "13,Ed"))
    with pytest.raises(
        StudyError, match="ratings with movie 12, which movies.csv does not describe"
    ):
        movielens_official.prepare_20m(tmp_path, tmp_path / "out")


def test_the_other_release_is_refused_by_name(tmp_path):
    write_1m(tmp_path)
    with pytest.raises(StudyError, match=r"holds no ratings.csv.*ml-20m.zip"):
        movielens_official.prepare_20m(tmp_path, tmp_path / "out")
