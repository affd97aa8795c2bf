"""MovieLens-1M and MovieLens-20M as GroupLens publishes them (Harper and Konstan, TiiS 2015).

- 1M: ``ratings.dat``, ``users.dat``, ``movies.dat``, no header, columns separated by ``::``, Latin-1;
  1,000,209 ratings of whole stars.
- 20M: ``ratings.csv``, ``movies.csv`` with headers, UTF-8; 20,000,263 ratings of half stars.

Labels: for 1M as in AutoInt (Song et al., CIKM 2019, arXiv:1810.11921, section 5.1): 4 and 5 stars
are positive, 1 and 2 negative, the neutral 3 is left out, which keeps 739,012 ratings and 7 fields.
For 20M as in DIN (Zhou et al., KDD 2018, arXiv:1706.06978, section 6.1): 4 stars or more are
positive, all others negative. Both thresholds are arguments. Random 8:1:1 by a hash of the line
number (AutoInt's shares; DIN splits by user). No threshold on counts in either paper.
"""

from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.ctr import random_splits, write_ctr
from embedstudy.sources.core.raw_files import check_columns, check_header, locate, parsing, streamed

SOURCE_1M = "the file of that name in ml-1m.zip of GroupLens (grouplens.org/datasets/movielens)"
SOURCE_20M = "the file of that name in ml-20m.zip of GroupLens (grouplens.org/datasets/movielens)"
FILES_1M = [f"{name}.dat|ml-1m/{name}.dat" for name in ("ratings", "users", "movies")]
FILES_20M = [f"{name}.csv|ml-20m/{name}.csv" for name in ("ratings", "movies")]
RATINGS = {"user": pl.Int64, "movie": pl.Int64, "rating": pl.Float64, "time": pl.Int64}
MOVIES = {"movie": pl.Int64, "title": pl.String, "genres": pl.String}
USERS = {
    "user": pl.Int64,
    "gender": pl.String,
    "age": pl.Int64,
    "occupation": pl.Int64,
    "zip": pl.String,
}
FIELDS_1M = ["user", "movie", "gender", "age", "occupation", "zip", "genres"]
FIELDS_20M = ["user", "movie", "genres", "released"]


def prepare_1m(
    directory: Path,
    folder: Path,
    *,
    min_count: int = 1,
    seed: int = 0,
    events: int | None = None,
    positive_from: float = 4,
    negative_to: float = 2,
) -> dict:
    """Prepare the three ``.dat`` files into ``folder``; return the specification.

    Ratings from ``positive_from`` up are positive, up to ``negative_to`` negative, others left out.
    Raises ``StudyError`` when a file is missing, empty or not in the format above.
    """
    paths = [locate(Path(directory), names, SOURCE_1M) for names in FILES_1M]
    ratings = _double_colons(paths[0], RATINGS)
    users = _double_colons(paths[1], USERS).drop("line")
    movies = _double_colons(paths[2], MOVIES).drop("line")
    _check_described(ratings, users, "user", paths[:2], SOURCE_1M)
    _check_described(ratings, movies, "movie", paths[::2], SOURCE_1M)
    with parsing(paths[0], SOURCE_1M):
        frame = _labelled(ratings, positive_from, negative_to)
        frame = frame.join(users, on="user", how="left", maintain_order="left")
        frame = frame.join(movies, on="movie", how="left", maintain_order="left")
        return write_ctr(
            random_splits(frame, "line", seed),
            FIELDS_1M,
            Path(folder),
            name="movielens-1m",
            min_count=min_count,
            events=events,
            group="user",
            protocol=_protocol(seed, positive_from, negative_to, min_count)
            + "after AutoInt (arXiv:1810.11921).",
        )


def prepare_20m(
    directory: Path,
    folder: Path,
    *,
    min_count: int = 1,
    seed: int = 0,
    events: int | None = None,
    positive_from: float = 4,
    negative_to: float = 3.5,
) -> dict:
    """Prepare ``ratings.csv`` and ``movies.csv`` into ``folder``; return the specification.

    Ratings from ``positive_from`` up are positive, up to ``negative_to`` negative, others left out.
    Raises ``StudyError`` when a file is missing, empty or not in the format above.
    """
    ratings, movies = (locate(Path(directory), names, SOURCE_20M) for names in FILES_20M)
    header = ["userId", "movieId", "rating", "timestamp"]
    check_header(ratings, header, ",", SOURCE_20M)
    check_columns(ratings, len(header), ",", SOURCE_20M)
    check_header(movies, ["movieId", "title", "genres"], ",", SOURCE_20M)
    frame = pl.scan_csv(streamed(ratings), glob=False, schema=RATINGS, row_index_name="line")
    with parsing(movies, SOURCE_20M):
        about = pl.read_csv(movies, schema=MOVIES).select(
            "movie", "genres", released=pl.col("title").str.extract(r"\((\d{4})\)\s*$")
        )
    _check_described(frame, about.lazy(), "movie", [ratings, movies], SOURCE_20M)
    with parsing(ratings, SOURCE_20M):
        frame = _labelled(frame, positive_from, negative_to)
        frame = frame.join(about.lazy(), on="movie", how="left", maintain_order="left")
        return write_ctr(
            random_splits(frame, "line", seed),
            FIELDS_20M,
            Path(folder),
            name="movielens-20m",
            min_count=min_count,
            events=events,
            group="user",
            protocol=_protocol(seed, positive_from, negative_to, min_count)
            + "labels after DIN (arXiv:1706.06978).",
        )


def _double_colons(path: Path, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """The lines of a ``.dat`` file as columns, with the row number in ``line``."""
    with parsing(path, SOURCE_1M):
        lines = pl.read_csv(
            path,
            encoding="latin-1",
            separator="\n",
            has_header=False,
            quote_char=None,
            schema={"line": pl.String},
        ).lazy()
    check_columns(path, len(schema), "::", SOURCE_1M, lines)
    parts = pl.col("line").str.split_exact("::", len(schema) - 1)
    with parsing(path, SOURCE_1M):
        columns = lines.select(parts.struct.rename_fields(list(schema))).unnest("line")
        return columns.cast(schema).with_row_index("line").collect().lazy()


def _check_described(
    ratings: pl.LazyFrame, described: pl.LazyFrame, key: str, paths: list[Path], source: str
) -> None:
    """Refuse a user or a movie that is described twice, or rated but not described.

    The first would double its ratings, the second make nulls of what describes it.
    """
    with parsing(paths[0], source):
        rated = ratings.select(key).unique().collect(engine="streaming")[key]
    with parsing(paths[1], source):
        ids = described.select(key).collect()[key]
    if ids.is_duplicated().any():
        raise StudyError(
            f"{paths[1]} describes {key} {ids.filter(ids.is_duplicated())[0]} twice: replace it by "
            f"{source}."
        )
    unknown = rated.filter(~rated.is_in(ids.implode())).sort()
    if len(unknown):
        raise StudyError(
            f"{paths[0]} has ratings with {key} {unknown[0]}, which {paths[1].name} does not describe: "
            f"replace both by {source}."
        )


def _labelled(ratings: pl.LazyFrame, positive_from: float, negative_to: float) -> pl.LazyFrame:
    rating = pl.col("rating")
    return ratings.filter((rating >= positive_from) | (rating <= negative_to)).with_columns(
        label=(rating >= positive_from).cast(pl.UInt8)
    )


def _protocol(seed: int, positive_from: float, negative_to: float, min_count: int) -> str:
    return (
        f"Random 8:1:1 by line (seed {seed}), ratings from {positive_from:g} positive and up to "
        f"{negative_to:g} negative, training counts below {min_count} share a row; "
    )
