"""Prepared evaluation sets as encoders take them: sentence pairs, and retrieval triples.

What there is, and how each is judged, its own module in ``sources.text`` says.
"""

import re
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
    "HELD_OUT",
    "PUBLISHED",
    "STS",
    "Retrieval",
    "one_to_one",
    "pair_key",
    "retrieval",
    "split",
    "sts_pairs",
]

# Published figures score some sets as a whole, their training split included. What is trained on that
# split is judged by the test split alone, which is a benchmark of its own name: SICK-R-test.
HELD_OUT = {f"{name}-test": name for name, one in task_sets().items() if "train" in one.pairs}
# benchmark -> (prepared set, splits scored together)
STS = {name: (one.folder, list(one.pairs)) for name, one in task_sets().items() if one.pairs}
STS |= {name: (STS[whole][0], ["test"]) for name, whole in HELD_OUT.items()}
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


def pair_key(one: str, other: str) -> frozenset[str]:
    """What two pairs of texts have in common if they are the same pair.

    Their order, case, white space and punctuation do not count: sets repeat each other's pairs turned
    round and tokenised.

    >>> pair_key("A dog isn't here.", "Cats") == pair_key("cats", "a dog is n't here")
    True
    """
    return frozenset(re.sub(r"[\W_]+", "", text.casefold()) for text in (one, other))
