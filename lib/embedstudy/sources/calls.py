"""Which name is called here? Calls of the Python API corpus as a click-through task.

A real call is a positive event. Each gets ``negatives`` copies whose called name is drawn from the
names called in the same split, in proportion to how often they are (and never the real one). So
within a split a name is about as frequent among negatives as among positives: its frequency, or its
being unknown to training, says nothing about the label, only its fit to the context does. Drawing
by frequency to the power 0.75, as word2vec does (Mikolov et al. 2013, "Distributed representations
of words and phrases", section 2.2), would leave frequency itself a signal.

Near-identical functions are removed before the split, and all calls of a function share a split.
"""

from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core import command
from embedstudy.sources.core.ctr import write_ctr
from embedstudy.sources.core.nearduplicates import COLUMNS, distinct
from embedstudy.sources.core.splitting import random_parts

PLACE = ["package", "module", "class", "function"]
FIELDS = [*PLACE, "receiver", "previous", "shape", "called"]
RULES = command.CTR_RULES | {"negatives": COUNT}
PROTOCOL = (
    "Python API calls: {negatives} negative(s) per real call, the called name drawn by its "
    "frequency within the split; near-identical functions removed, then a random 8:1:1 split of "
    "functions, seed {seed}."
)


def prepare(
    corpus: Path,
    out: Path,
    *,
    seed: int,
    min_count: int,
    negatives: int = 1,
    events: int | None = None,
) -> None:
    """Write the prepared set ``out`` from the parsed corpus.

    Args:
        corpus: folder that ``apicorpus`` wrote.
        out: folder of the prepared set.
        seed: of the split and the negatives.
        min_count: values in fewer training events, negatives included, share the field's row 0; a
            value of the context is in ``1 + negatives`` events per real call.
        negatives: per real call.
        events: take a random sample of that many, negatives included; None for all.
    """
    if negatives < 1:
        raise StudyError(f"prepare.calls: negatives is {negatives}, at least 1 is needed.")
    splits = {
        split: with_negatives(calls, negatives, numpy_generator(seed, "calls", "negatives", split))
        for split, calls in split_calls(corpus, seed).items()
    }
    protocol = PROTOCOL.format(negatives=negatives, seed=seed)
    write_ctr(
        splits,
        FIELDS,
        out,
        name="calls",
        min_count=min_count,
        protocol=protocol,
        events=events,
        group="unit",
    )


def split_calls(corpus: Path, seed: int) -> dict[str, pl.DataFrame]:
    """The real calls of each split: ``unit`` and ``FIELDS``, in the order of the source."""
    calls = pl.read_parquet(corpus / "calls.parquet")
    units = pl.read_parquet(corpus / "units.parquet", columns=["unit", *PLACE, *COLUMNS])
    units = distinct(units.join(calls, on="unit", how="semi", maintain_order="left"))
    dealt = random_parts(len(units), numpy_generator(seed, "calls", "split"))
    return {
        split: calls.join(
            units[rows].drop(COLUMNS), on="unit", how="inner", maintain_order="left"
        ).select("unit", *FIELDS)
        for split, rows in dealt.items()
    }


def with_negatives(
    calls: pl.DataFrame, negatives: int, random: np.random.Generator
) -> pl.DataFrame:
    """Follow every call by its negatives: columns ``label``, ``unit`` and ``FIELDS``."""
    names = calls["called"].cast(pl.Categorical)
    codes = names.to_physical().to_numpy()
    real = np.repeat(np.arange(len(calls)), 1 + negatives)
    label = np.tile(np.arange(1 + negatives) == 0, len(calls)).astype(np.uint8)
    source = real.copy()  # the call whose name an event shows
    wrong = np.flatnonzero(label == 0)
    if len(wrong) and (codes == codes[0]).all():
        raise StudyError("prepare.calls: a split calls one name only; parse more packages.")
    while len(wrong):  # redraw what hit the real name: a few rounds
        source[wrong] = random.integers(0, len(calls), len(wrong))
        wrong = wrong[codes[source[wrong]] == codes[real[wrong]]]
    return calls.drop("called")[real].select(
        pl.Series("label", label), pl.all(), calls["called"][source].alias("called")
    )


if __name__ == "__main__":
    command.main("calls", prepare, RULES, corpus=True)
