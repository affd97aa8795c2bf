"""What chapter 21 trains on: pairs of docs, judged sentence pairs, triplets of inference pairs."""

from collections.abc import Callable

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import sets
from embedstudy.encoders.matryoshka import TrainingSet
from embedstudy.sources.core.text_sets import declared
from embedstudy.sources.text.snli import triplets

DATA = {"docs": "docs", "stsb": "stsb", "sick": "sick", "snli": "snli"}  # name -> prepared folder


def docs_pairs(count: int) -> list[list[str]]:
    """At most ``count`` training pairs by column: what is asked, and the function it asks for."""
    frame = sets.split("docs", "train")
    rng = numpy_generator(0, "matryoshka pairs")
    rows = np.sort(rng.choice(frame.height, min(count, frame.height), replace=False))
    return [frame[column][rows].to_list() for column in ("query", "document")]


def training_sets(
    names: list[str],
    pairs: int,
    model: SentenceTransformer,
    loss: Callable[[nn.Module], nn.Module],
) -> list[TrainingSet]:
    """The training sets of those names, each with ``loss`` around the base loss that fits it.

    ``docs`` (``pairs`` of them) and ``snli`` rank in the batch, ``stsb`` and ``sick`` order pairs by
    human scores (CoSENT), of their training splits alone.
    """
    sets_ = []
    for name in names:
        if name == "docs":
            base = MultipleNegativesRankingLoss(model)
            sets_.append(TrainingSet(loss(base), docs_pairs(pairs)))
        elif name == "snli":
            frame = triplets(sets.split("snli", "valid").vstack(sets.split("snli", "test")))
            base = MultipleNegativesRankingLoss(model)
            sets_.append(TrainingSet(loss(base), [frame[c].to_list() for c in frame.columns]))
        else:
            frame, (low, high) = sets.split(name, "train"), declared(name).scale
            columns = [frame[c].to_list() for c in ("sentence1", "sentence2")]
            scores = ((frame["score"] - low) / (high - low)).to_list()
            sets_.append(TrainingSet(loss(CoSENTLoss(model)), columns, scores))
    return sets_
