"""STS benchmark: sentence pairs with a mean human similarity from 0 to 5 (Cer et al., SemEval 2017).

Format: CSV without header, quoted where needed: sentence1, sentence2, score. 5,749 training, 1,500
validation and 1,379 test pairs, in the order of the official release.
"""

import csv
import io
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import Official, locate
from embedstudy.sources.core.text_files import check_digest, decode, number, pairs, write_pairs
from embedstudy.sources.core.text_sets import TextSet

SOURCE = "the file of that name in PhilipMay/stsb-multi-mt (data/)"
SPLITS = {"train": "train", "valid": "dev", "test": "test"}  # ours: theirs
FILES = [f"stsb-en-{name}.csv" for name in SPLITS.values()]
SHA256 = {  # of the pairs
    "train": "d44578ae7e180826b58322357f7332b0a2a5d5c256be1af40f872fff494dac53",
    "valid": "4e55eb4d33cf8e0209cda351239d5577f61a29845d4e1ddd2739d0c78377e508",
    "test": "75d9211cdf146aefdbc5ba68ce69d1c062d9df05dd213168fe193c78b4bc22da",
}


def prepare(directory: Path, folder: Path, *, sha256: dict[str, str] = SHA256) -> dict:
    """Prepare the three files of ``directory`` into ``folder``; return the specification.

    ``sha256`` of the pairs read, by split. Raises ``StudyError`` when a file is missing, empty, not
    UTF-8, not in the format above or not the published one.
    """
    splits = {}
    for split, theirs in SPLITS.items():
        path = locate(Path(directory), f"stsb-en-{theirs}.csv", SOURCE)
        splits[split] = read(path)
        check_digest(splits[split], sha256.get(split), path, SOURCE)
    return write_pairs(folder, "stsb", splits, "Official splits; scores 0-5.")


def read(path: Path) -> pl.DataFrame:
    """The pairs of one file in its order."""
    rows = []
    text = decode(path.read_bytes(), path, SOURCE)
    for row in csv.reader(io.StringIO(text, newline="")):
        where = f"{path}, pair {len(rows) + 1}"
        if len(row) != 3:
            raise StudyError(
                f"{where} has {len(row)} columns where 3 are expected: replace it by {SOURCE}."
            )
        rows.append((row[0], row[1], number(row[2], where, SOURCE)))
    return pairs(rows)


SETS = (
    TextSet(
        folder="stsb",
        task="STS-B",
        pairs=("test",),
        scale=(0.0, 5.0),
        published=82.03,
        official=Official(prepare, (FILES,), SOURCE),
    ),
)
