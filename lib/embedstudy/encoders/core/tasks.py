"""What encoders and codes are judged by, under one interface: retrieval and sentence similarity.

A task gives a value for every example (nDCG@10 of a query, the cosine of a pair) and one quality for
all of them, times 100 (mean nDCG@10, Spearman's rank correlation). The values of an example are what
pairs two models in a comparison.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import sets
from embedstudy.encoders.core.evaluate import Encode, encoder_ndcg, pair_cosines, spearman
from embedstudy.measure.significance import weighted_mean, weighted_spearman

# What a task reads below results/prepared; those of ``sets.STS`` are named there.
RETRIEVAL = ("docs", "reviews", "scifact", "cranfield")
FOLDERS = {name: name for name in RETRIEVAL}
FOLDERS |= {name: prepared for name, (prepared, _) in sets.STS.items()}
_LIMITS = ("queries", "documents")
_OWN_TRAINING = ("docs", "reviews")


@dataclass(frozen=True)
class RetrievalTask:
    """Find the right documents; a value is the nDCG@10 of a query, in [0, 1]."""

    name: str
    sets: sets.Retrieval
    unit = "nDCG@10 × 100"

    def text_lists(self) -> list[list[str]]:
        """The lists of texts that ``scores`` has encoded: documents, queries."""
        return [self.sets.corpus["text"].to_list(), self.sets.queries["text"].to_list()]

    def scores(self, encode: Encode) -> np.ndarray:
        """nDCG@10 of each query, float64 [queries]."""
        return encoder_ndcg(encode, self.sets)

    def quality(self, scores: np.ndarray) -> float:
        """Mean nDCG@10 × 100."""
        return 100 * float(np.mean(scores))

    def draws(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``quality`` on each bootstrap sample: [resamples]."""
        return 100 * weighted_mean(scores, weights)


@dataclass(frozen=True)
class StsTask:
    """Order pairs of sentences as people do; a value is the cosine of a pair."""

    name: str
    pairs: pl.DataFrame
    unit = "Spearman × 100"

    def text_lists(self) -> list[list[str]]:
        """The list of texts that ``scores`` has encoded: first sentences, then second ones."""
        return [self.pairs["sentence1"].to_list() + self.pairs["sentence2"].to_list()]

    def scores(self, encode: Encode) -> np.ndarray:
        """The cosine of each pair, float64 [pairs]."""
        return pair_cosines(encode, self.pairs)

    def quality(self, scores: np.ndarray) -> float:
        """Spearman's correlation of cosines with human scores, × 100."""
        return spearman(scores, self.pairs["score"].to_numpy())

    def draws(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``quality`` on each bootstrap sample: [resamples]."""
        return 100 * weighted_spearman(scores, self.pairs["score"].to_numpy(), weights)


Task = RetrievalTask | StsTask


def folder(name: str) -> str:
    """The folder below ``results/prepared`` that a task reads."""
    if name not in FOLDERS:
        raise StudyError(f"There is no task {name!r}: choose from {', '.join(FOLDERS)}.")
    return FOLDERS[name]


def prepared(run: dict) -> list[str]:
    """The prepared data that the tasks of a run read, by folder."""
    return sorted({folder(name) for name in run["tasks"]})


def available(names: Iterable[str]) -> list[str]:
    """Those of the tasks whose data are prepared."""
    return [name for name in names if (paths.PREPARED / folder(name)).is_dir()]


def check(name: str, limits: dict[str, int]) -> None:
    """Raise ``StudyError`` for a task that is not known, or that cannot be limited so."""
    folder(name)
    unknown = set(limits) - set(_LIMITS)
    if unknown or (limits and name not in _OWN_TRAINING):
        wrong = min(unknown or limits)
        raise StudyError(
            f"Task {name!r} cannot be limited by {wrong!r}: only docs and reviews can, by "
            f"{' and '.join(_LIMITS)}."
        )


def load(name: str, **limits: int) -> Task:
    """The test split of a task.

    ``documents`` and ``queries`` cut ``docs`` and ``reviews`` to a random subset, the same each time:
    so many documents, and so many of the queries that they answer. The other tasks stand for
    published figures and are used whole. Raises ``StudyError`` for an unknown task or limit.
    """
    check(name, limits)
    if name in sets.STS:
        return StsTask(name, sets.sts_pairs(name))
    whole = {"docs": sets.docs_retrieval, "reviews": sets.reviews_retrieval}
    if name not in whole:
        return RetrievalTask(name, sets.retrieval(name))
    return RetrievalTask(name, _subset(name, whole[name](), **limits))


def _subset(
    name: str, whole: sets.Retrieval, documents: int | None = None, queries: int | None = None
) -> sets.Retrieval:
    kept = _some(whole.corpus, documents, name, "documents")
    asked = whole.queries.filter(pl.col("id").is_in(kept["id"].implode()))
    asked = _some(asked, queries, name, "queries")
    return sets.Retrieval(
        kept, asked, whole.qrels.filter(pl.col("query").is_in(asked["id"].implode()))
    )


def _some(frame: pl.DataFrame, count: int | None, *purpose: str) -> pl.DataFrame:
    """``count`` rows drawn at random, in their old order; all if there are no more."""
    if count is None or count >= frame.height:
        return frame
    rows = numpy_generator(0, "task", *purpose).choice(frame.height, count, replace=False)
    return frame[np.sort(rows)]


def training_kinds(name: str) -> tuple[str, ...]:
    """Whose training texts stand for those of a task: its own if it has any.

    The others have no training split that is free to use, so texts of another kind must do.
    """
    folder(name)
    return (name,) if name in _OWN_TRAINING else _OWN_TRAINING


def training_texts(name: str, count: int) -> list[str]:
    """At most ``count`` of the documents in the training split of ``docs`` or ``reviews``."""
    if name not in _OWN_TRAINING:
        raise StudyError(f"{name!r} has no training texts: take those of docs or reviews.")
    column = {"docs": "document", "reviews": "text"}[name]
    texts = sets.split(name, "train").select(column)
    return _some(texts, count, name, "training texts")[column].to_list()
