"""Prepared evaluation sets as encoders take them: sentence pairs, and retrieval triples.

What there is, and how each is judged, its own module in ``sources.text`` says.
"""

from pathlib import Path

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.sources.core.text_sets import (
    Retrieval,
    one_to_one,
    prepared_triple,
    read_split,
    task_sets,
)

__all__ = [
    "PUBLISHED",
    "STS",
    "Retrieval",
    "one_to_one",
    "retrieval",
    "split",
    "sts_pairs",
]

# benchmark -> (prepared set, splits scored together); published figures score SICK as a whole
STS = {name: (one.folder, list(one.pairs)) for name, one in task_sets().items() if one.pairs}
# Spearman x 100, and nDCG@10 x 100, that MTEB publishes for all-MiniLM-L6-v2.
PUBLISHED = {name: one.published for name, one in task_sets().items() if one.published is not None}


def sts_pairs(benchmark: str, prepared: Path | None = None) -> pl.DataFrame:
    """The pairs of one of ``STS``: ``sentence1``, ``sentence2``, ``score``."""
    if benchmark not in STS:
        raise StudyError(f"There is no benchmark {benchmark!r}: use one of {', '.join(STS)}.")
    name, splits = STS[benchmark]
    frames = [split(name, part, prepared) for part in splits]
    return pl.concat(frames).select("sentence1", "sentence2", "score")


def retrieval(name: str, prepared: Path | None = None) -> Retrieval:
    """A prepared retrieval set, such as ``scifact`` or ``docs``, or one that only is prepared."""
    declared = task_sets().get(name)
    read = declared.retrieval if declared else prepared_triple
    if read is None:
        raise StudyError(f"{name!r} is no retrieval set: its pairs are read by sts_pairs.")
    return read((prepared or paths.PREPARED) / name)


def split(name: str, part: str, prepared: Path | None = None) -> pl.DataFrame:
    """A split of a prepared set, as it was prepared."""
    return read_split((prepared or paths.PREPARED) / name, part)
