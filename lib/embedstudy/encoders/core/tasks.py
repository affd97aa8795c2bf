"""What encoders and codes are judged by, under one interface: retrieval and sentence similarity.

A task gives a value for every example: nDCG@10 of a query, the cosine of a pair. What is made of the
values of all (their mean, their rank correlation with human scores) the evidence says, which pairs two
models by them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError, nearest
from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import sets
from embedstudy.encoders.core.evaluate import Encode, encoder_ndcg, pair_cosines
from embedstudy.sources.core import text_sets
from embedstudy.sources.core.text_sets import TextSet, task_sets

_LIMITS = ("queries", "documents")


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

    def text_pairs(self) -> list[tuple[str, str]]:
        """Each query with each of its right documents."""
        queries = self.sets.queries.select(query="id", asked="text")
        documents = self.sets.corpus.select(document="id", found="text")
        right = self.sets.qrels.join(queries, on="query").join(documents, on="document")
        return right.select("asked", "found").rows()


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

    def text_pairs(self) -> list[tuple[str, str]]:
        """The two sentences of each pair."""
        return self.pairs.select("sentence1", "sentence2").rows()


Task = RetrievalTask | StsTask


def is_task(name: str) -> bool:
    """Whether a module of ``sources.text`` declares the task, or its folder is prepared."""
    return _find(name) is not None


def is_retrieval(name: str) -> bool:
    """Whether the task is judged by retrieval; ``StudyError`` if there is no such task."""
    return _set(name).retrieval is not None


def _find(name: str) -> TextSet | None:
    """The set behind a task, or behind the task that it is the test split of."""
    return text_sets.find_task(sets.HELD_OUT.get(name, name))


def _set(name: str) -> TextSet:
    found = _find(name)
    if found is None:
        hint = nearest(name, [*task_sets(), *sets.HELD_OUT, *text_sets.prepared_names()])
        raise StudyError(
            f"There is no task {name!r}: {hint} A set in BEIR's format becomes one by "
            f"`python -m embedstudy.sources.official beir --name {name} --from DIR`."
        )
    return found


def folder(name: str) -> str:
    """The folder below ``results/prepared`` that a task reads."""
    return _set(name).folder


def modules(names: Iterable[str]) -> list[str]:
    """The modules that declare the tasks and the sets whose training texts stand for theirs.

    They are found by looking, not imported by name, so a run lists them among its sources.
    """
    sets_used = {one for name in names for one in (folder(name), *training_kinds(name))}
    return sorted({text_sets.module_of(one) for one in sets_used} - {None})


def available(names: Iterable[str]) -> list[str]:
    """Those of the tasks whose data are prepared."""
    return [name for name in names if (paths.PREPARED / folder(name)).is_dir()]


def check(name: str, limits: dict[str, int]) -> None:
    """Raise ``StudyError`` for a task that does not exist, or that cannot be limited so."""
    one = _set(name)
    unknown = set(limits) - set(_LIMITS)
    if unknown or (limits and not one.one_to_one):
        wrong = min(unknown or limits)
        can = " and ".join(task for task, each in task_sets().items() if each.one_to_one)
        raise StudyError(
            f"Task {name!r} cannot be limited by {wrong!r}: only {can} can, by "
            f"{' and '.join(_LIMITS)}."
        )


def load(name: str, **limits: int) -> Task:
    """The test split of a task.

    ``documents`` and ``queries`` cut a set of one answer a query (``docs``, ``reviews``) to a random
    subset, the same each time: so many documents, and so many of the queries that they answer. The
    other tasks stand for published figures and are used whole. Raises ``StudyError`` for a task or a
    limit that does not exist.
    """
    check(name, limits)
    one = _set(name)
    if one.pairs:
        return StsTask(name, sets.sts_pairs(name))
    whole = one.retrieval(paths.PREPARED / one.folder)
    return RetrievalTask(name, _subset(name, whole, **limits) if one.one_to_one else whole)


def judged_pairs(names: Iterable[str]) -> set[frozenset[str]]:
    """The key (``sets.pair_key``) of every pair of texts that whole tasks judge: not to be trained on."""
    return {sets.pair_key(*pair) for name in names for pair in load(name).text_pairs()}


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
    """``count`` rows drawn at random, in their old order; all if there are no more.

    Of two counts the smaller one's rows are among the larger one's.
    """
    if count is None or count >= frame.height:
        return frame
    rows = numpy_generator(0, "task", *purpose).permutation(frame.height)[:count]
    return frame[np.sort(rows)]


def training_kinds(name: str) -> tuple[str, ...]:
    """Whose training texts stand for those of a task: its own if it has any.

    The others have no training split that is free to use, so texts of another kind must do.
    """
    return _set(name).training_from


def training_texts(name: str, count: int) -> list[str]:
    """At most ``count`` of the documents in the training split of a set that has one to use."""
    documents, _ = _training(name)
    texts = sets.split(name, "train").select(documents)
    return _some(texts, count, name, "training texts")[documents].to_list()


def training_queries(name: str) -> pl.Series:
    """What asks for the documents of a training split: distinct texts, none empty, in its order."""
    _, queries = _training(name)
    asked = sets.split(name, "train")[queries].unique(maintain_order=True)
    return asked.filter(asked.str.strip_chars() != "")


def _training(name: str) -> text_sets.Training:
    training = _set(name).training
    if training is None:
        have = [task for task, one in task_sets().items() if one.training]
        raise StudyError(f"{name!r} has no training texts: take those of {' or '.join(have)}.")
    return training
