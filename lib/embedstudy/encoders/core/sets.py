"""Prepared evaluation sets as encoders take them: sentence pairs, and retrieval triples.

A retrieval set is a triple of frames: corpus (``id``, ``text``), queries (``id``, ``text``) and qrels
(``query``, ``document``, ``relevance``), as ``sources.text_files`` describes them.
"""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError

# benchmark -> (prepared set, splits scored together); published figures score SICK as a whole
STS = {
    "STS12": ("sts12", ["test"]),
    "STS13": ("sts13", ["test"]),
    "STS14": ("sts14", ["test"]),
    "STS15": ("sts15", ["test"]),
    "STS16": ("sts16", ["test"]),
    "STS-B": ("stsb", ["test"]),
    "SICK-R": ("sick", ["train", "valid", "test"]),
}
# Spearman x 100, and nDCG@10 x 100, that MTEB publishes for all-MiniLM-L6-v2.
PUBLISHED = {
    "STS12": 72.37,
    "STS13": 80.60,
    "STS14": 75.60,
    "STS15": 85.39,
    "STS16": 78.99,
    "STS-B": 82.03,
    "SICK-R": 77.58,
    "SciFact": 64.51,
}


class Retrieval(NamedTuple):
    """What is searched, what is asked and what is right."""

    corpus: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame


def sts_pairs(benchmark: str, prepared: Path | None = None) -> pl.DataFrame:
    """The pairs of one of ``STS``: ``sentence1``, ``sentence2``, ``score``."""
    if benchmark not in STS:
        raise StudyError(f"There is no benchmark {benchmark!r}: use one of {', '.join(STS)}.")
    name, splits = STS[benchmark]
    frames = [split(name, part, prepared) for part in splits]
    return pl.concat(frames).select("sentence1", "sentence2", "score")


def retrieval(name: str, prepared: Path | None = None) -> Retrieval:
    """A prepared retrieval set, such as ``scifact`` or ``cranfield``."""
    return Retrieval(*(split(name, kind, prepared) for kind in ("corpus", "queries", "qrels")))


def docs_retrieval(part: str = "test", prepared: Path | None = None) -> Retrieval:
    """Find a function's code by its docstring's summary, in packages unseen in training.

    A document is the rest of the docstring, signature and body; each query has one.
    """
    pairs = split("docs", part, prepared)
    return one_to_one(pairs["query"], pairs["document"])


def reviews_retrieval(part: str = "test", prepared: Path | None = None) -> Retrieval:
    """Find a clothing review by its title.

    Reviews without a title, and titles that several reviews bear, are not asked but can be found.
    """
    reviews = split("reviews", part, prepared)
    title = pl.col("title").str.to_lowercase().str.replace_all(r"\W+", " ").str.strip_chars()
    asked = reviews.select((title != "") & title.is_unique()).to_series()
    return one_to_one(reviews["title"], reviews["text"], asked)


def one_to_one(queries: pl.Series, documents: pl.Series, asked: pl.Series | None = None):
    """The triple of queries that are each answered by the document of their row.

    ``asked`` tells which rows are queries; all are if it is None. An id is the row's number.
    """
    ids = pl.int_range(len(documents), eager=True).cast(pl.String)
    asked = pl.repeat(True, len(ids), eager=True) if asked is None else asked
    chosen = ids.filter(asked)
    return Retrieval(
        pl.DataFrame({"id": ids, "text": documents}),
        pl.DataFrame({"id": chosen, "text": queries.filter(asked)}),
        pl.DataFrame({"query": chosen, "document": chosen, "relevance": 1}),
    )


def split(name: str, part: str, prepared: Path | None = None) -> pl.DataFrame:
    """A split of a prepared set, as it was prepared."""
    path = (prepared or paths.PREPARED) / name / f"{part}.parquet"
    if not path.is_file():
        raise StudyError(
            f"{path} is missing: run `dvc repro`, or `python -m embedstudy.sources.official` for a "
            "set that has to be fetched by hand."
        )
    return pl.read_parquet(path)
