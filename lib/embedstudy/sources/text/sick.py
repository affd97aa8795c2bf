"""SICK: pairs with mean human relatedness from 1 to 5 (Marelli et al., LREC and SemEval 2014).

Format: TSV with a header: pair_ID, sentence_A, sentence_B, relatedness_score, entailment_judgment;
4,500 training, 500 trial and 4,927 test pairs. The benchmark that is called SICK-R scores all 9,927:
read the three splits together for it. Where its training split is trained on, the task is
SICK-R-test.
"""

from pathlib import Path

import polars as pl

from embedstudy.sources.core.raw_files import Official, check_header, locate
from embedstudy.sources.core.text_files import (
    cells,
    check_digest,
    lines,
    number,
    pairs,
    write_pairs,
)
from embedstudy.sources.core.text_sets import TextSet

SOURCE = "the file of that name in brmson/dataset-sts (data/sts/sick2014)"
SPLITS = {
    "train": "SICK_train.txt",
    "valid": "SICK_trial.txt",
    "test": "SICK_test_annotated.txt",
}
FILES = list(SPLITS.values())
HEADER = ["pair_ID", "sentence_A", "sentence_B", "relatedness_score", "entailment_judgment"]
SHA256 = {  # of the pairs
    "train": "ee6163e3dcb5ce46b2f371428be925b9cbfc38682f25c300fd3ca737aea959d4",
    "valid": "db21891c8c1f6a273d9f33f8d2a170e13d785fd9ad5d78195c53962b39a41ca6",
    "test": "82f313a6b94afc4df627ca2b468c667b74395ef6c519db01e705e4ae988a85d0",
}


def prepare(directory: Path, folder: Path, *, sha256: dict[str, str] = SHA256) -> dict:
    """Prepare the three files of ``directory`` into ``folder``; return the specification.

    ``sha256`` of the pairs read, by split. Raises ``StudyError`` when a file is missing, empty, not
    UTF-8, not in the format above or not the published one.
    """
    splits = {}
    for split, name in SPLITS.items():
        path = locate(Path(directory), name, SOURCE)
        splits[split] = read(path)
        check_digest(splits[split], sha256.get(split), path, SOURCE)
    return write_pairs(
        folder, "sick", splits, "Official splits; relatedness 1-5. SICK-R scores all three."
    )


def read(path: Path) -> pl.DataFrame:
    """The pairs of one file in its order."""
    rows = []
    found = lines(path.read_bytes(), path, SOURCE)
    check_header(path, HEADER, "\t", SOURCE)
    for position, line in enumerate(found[1:], 2):
        where = f"{path}, line {position}"
        _, first, second, score, _ = cells(line, len(HEADER), "\t", where, SOURCE)
        rows.append((first, second, number(score, where, SOURCE)))
    return pairs(rows)


SETS = (
    TextSet(
        folder="sick",
        task="SICK-R",
        pairs=("train", "valid", "test"),
        scale=(1.0, 5.0),
        published=77.58,
        official=Official(prepare, (FILES,), SOURCE),
    ),
)
