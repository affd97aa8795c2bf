"""What chapter 21 trains on: pairs of docs, judged sentence pairs, triplets of inference pairs.

No pair that a run is judged by is trained on, whatever set it comes from: the STS benchmark repeats
pairs of the years 2012 to 2016.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import sets, tasks
from embedstudy.encoders.matryoshka import TrainingSet
from embedstudy.sources.core.text_sets import declared
from embedstudy.sources.text.snli import triplets

DATA = {"docs": "docs", "stsb": "stsb", "sick": "sick", "snli": "snli"}  # name -> prepared folder


class Texts(NamedTuple):
    """Texts to train on: rows of one or more partners of an anchor, perhaps with a score in [0, 1]."""

    rows: list[tuple[str, ...]]
    scores: list[float] | None = None


def docs_pairs(count: int) -> list[list[str]]:
    """At most ``count`` training pairs by column: what is asked, and the function it asks for."""
    frame = sets.split("docs", "train")
    rng = numpy_generator(0, "matryoshka pairs")
    rows = np.sort(rng.choice(frame.height, min(count, frame.height), replace=False))
    return [frame[column][rows].to_list() for column in ("query", "document")]


def check_data(names: Sequence[str], judged: Sequence[str]) -> None:
    """Raise ``StudyError`` for training sets that are none, or that a task judges as a whole."""
    unknown = set(names) - set(DATA)
    if unknown or not names:
        raise StudyError(f"The training data are {names}: name some of {', '.join(DATA)}.")
    for test, whole in sets.HELD_OUT.items():
        trained = [name for name in names if DATA[name] == tasks.folder(whole)]
        if trained and whole in judged:
            raise StudyError(
                f"{whole} judges the training split of {trained[0]!r} too: judge by {test} instead."
            )


def training_texts(name: str, pairs: int, judged: Sequence[str]) -> Texts:
    """The texts of a training set without those pairs that one of the tasks ``judged`` holds.

    Args:
        name: one of ``DATA``; of the human-scored sets the training split, of snli the two it has.
        pairs: how many pairs of docs are drawn, before any is left out.
        judged: names of tasks, each taken whole.
    """
    if name == "docs":
        found = Texts(list(zip(*docs_pairs(pairs), strict=True)))
    elif name == "snli":
        frame = sets.split("snli", "valid").vstack(sets.split("snli", "test"))
        found = Texts(triplets(frame).rows())
    else:
        frame, (low, high) = sets.split(name, "train"), declared(name).scale
        scores = ((frame["score"] - low) / (high - low)).to_list()
        found = Texts(frame.select("sentence1", "sentence2").rows(), scores)
    return _without(found, tasks.judged_pairs(judged))


def _without(texts: Texts, judged: set[frozenset[str]]) -> Texts:
    kept = [
        i
        for i, (anchor, *partners) in enumerate(texts.rows)
        if not any(sets.pair_key(anchor, other) in judged for other in partners)
    ]
    scores = None if texts.scores is None else [texts.scores[i] for i in kept]
    return Texts([texts.rows[i] for i in kept], scores)


def training_sets(
    names: list[str],
    pairs: int,
    judged: Sequence[str],
    model: SentenceTransformer,
    loss: Callable[[nn.Module], nn.Module],
) -> list[TrainingSet]:
    """The training sets of those names, each with ``loss`` around the base loss that fits it.

    ``docs`` and ``snli`` rank in the batch, ``stsb`` and ``sick`` order pairs by human scores (CoSENT).
    Arguments: ``training_texts``.
    """
    made = []
    for name in names:
        rows, scores = training_texts(name, pairs, judged)
        if not rows:
            raise StudyError(f"No pair of {name!r} is left to train on: the tasks judge them all.")
        base = MultipleNegativesRankingLoss(model) if scores is None else CoSENTLoss(model)
        columns = [list(column) for column in zip(*rows, strict=True)]
        made.append(TrainingSet(loss(base), columns, scores))
    return made
