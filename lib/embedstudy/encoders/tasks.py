"""What encoders and codes are judged by, under one interface: retrieval and sentence similarity.

A task gives a value for every example (nDCG@10 of a query, the cosine of a pair) and one quality for
all of them, times 100 (mean nDCG@10, Spearman's rank correlation). The values of an example are what
pairs two models in a comparison.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from embedstudy import paths
from embedstudy.encoders import sets
from embedstudy.encoders.evaluate import Encode, encoder_ndcg, pair_cosines, spearman
from embedstudy.errors import StudyError
from embedstudy.measure.significance import weighted_mean, weighted_spearman
from embedstudy.seeding import numpy_generator

# What a task reads below results/prepared; those of ``sets.STS`` are named there.
FOLDERS = {name: name for name in ("docs", "reviews", "scifact", "cranfield")}
FOLDERS |= {name: prepared for name, (prepared, _) in sets.STS.items()}
_LIMITS = ("queries", "documents")


@dataclass(frozen=True)
class RetrievalTask:
    """Find the right documents; a value is the nDCG@10 of a query, in [0, 1]."""

    name: str
    sets: sets.Retrieval
    unit = "nDCG@10 × 100"

    def texts(self) -> list[str]:
        """Every text that has to be encoded: documents, then queries."""
        return self.sets.corpus["text"].to_list() + self.sets.queries["text"].to_list()

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

    def texts(self) -> list[str]:
        """Every text that has to be encoded: first sentences, then second ones."""
        return self.pairs["sentence1"].to_list() + self.pairs["sentence2"].to_list()

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


def load(name: str, **limits: int) -> Task:
    """The test split of a task.

    ``documents`` and ``queries`` cut ``docs`` and ``reviews`` to a random subset, the same each time:
    so many documents, and so many of the queries that they answer. The other tasks are published
    figures' and are used whole. Raises ``StudyError`` for an unknown task or limit.
    """
    folder(name)
    unknown = set(limits) - set(_LIMITS)
    if unknown or (limits and name not in ("docs", "reviews")):
        wrong = min(unknown) if unknown else min(limits)
        raise StudyError(
            f"Task {name!r} cannot be limited by {wrong!r}: only docs and reviews can, by "
            f"{' and '.join(_LIMITS)}."
        )
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


def training_texts(name: str, count: int) -> Sequence[str]:
    """At most ``count`` texts of the kind of ``name``'s documents, from training splits alone.

    ``docs`` and ``reviews`` have such a split. For the others, half of each of these two: texts of
    another kind, as none of their own may be looked at.
    """
    folder(name)
    if name not in ("docs", "reviews"):
        half = count // 2
        return [*training_texts("docs", half), *training_texts("reviews", count - half)]
    column = {"docs": "document", "reviews": "text"}[name]
    texts = sets.split(name, "train").select(column)
    return _some(texts, count, name, "training texts")[column].to_list()
