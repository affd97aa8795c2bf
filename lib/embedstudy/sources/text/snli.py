"""SNLI: pairs of sentences, does the first entail the second? (Bowman et al., EMNLP 2015)

Format: three parallel files a split, a line a pair: ``s1.<split>`` (premise), ``s2.<split>``
(hypothesis), ``labels.<split>`` (entailment, neutral or contradiction), of the published development
and test splits, 9,842 and 9,824 pairs. The training split is not used: the two small ones are enough
for the study's short trainings, and nothing is tested on them.
"""

from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import Official, locate
from embedstudy.sources.core.text_files import lines, write_pairs
from embedstudy.sources.core.text_sets import TextSet

SOURCE = "the development and test splits of SNLI as three parallel files each"
SPLITS = {"valid": "dev", "test": "test"}  # ours: theirs
FILES = [f"{part}.{split}" for split in SPLITS.values() for part in ("s1", "s2", "labels")]
LABELS = ("entailment", "neutral", "contradiction")


def prepare(directory: Path, folder: Path) -> dict:
    """Prepare the six files of ``directory`` into ``folder``; return the specification.

    Raises ``StudyError`` when a file is missing, not UTF-8, or not parallel to the others, or a label
    is unknown.
    """
    splits = {ours: read(Path(directory), theirs) for ours, theirs in SPLITS.items()}
    return write_pairs(folder, "snli", splits, "Official development and test splits.")


def read(directory: Path, split: str) -> pl.DataFrame:
    """The pairs of a split: ``premise``, ``hypothesis``, ``label``."""
    columns = {}
    for part, name in (("s1", "premise"), ("s2", "hypothesis"), ("labels", "label")):
        path = locate(directory, f"{part}.{split}", SOURCE)
        columns[name] = [line.strip() for line in lines(path.read_bytes(), path, SOURCE)]
    counts = {name: len(lines) for name, lines in columns.items()}
    if len(set(counts.values())) != 1 or not counts["label"]:
        told = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise StudyError(
            f"The files of {split} in {directory} have {told} lines: they must be parallel and not "
            f"empty; replace them by {SOURCE}."
        )
    frame = pl.DataFrame(columns)
    unknown = frame.filter(~pl.col("label").is_in(LABELS))
    if unknown.height:
        raise StudyError(
            f"{directory / f'labels.{split}'} has the label {unknown['label'][0]!r}: it must be one of "
            f"{', '.join(LABELS)}."
        )
    return frame


def triplets(frame: pl.DataFrame) -> pl.DataFrame:
    """Premises with a hypothesis that follows and one that contradicts: anchor, positive, negative.

    Of several, the first of each kind; premises that lack one are left out.
    """

    def first(label: str, name: str) -> pl.DataFrame:
        kind = frame.filter(pl.col("label") == label)
        return kind.select(anchor="premise", **{name: pl.col("hypothesis")}).unique(
            "anchor", keep="first", maintain_order=True
        )

    return first("entailment", "positive").join(
        first("contradiction", "negative"), on="anchor", maintain_order="left"
    )


SETS = (TextSet(folder="snli", official=Official(prepare, (FILES,), SOURCE)),)
