"""SICK: pairs with mean human relatedness from 1 to 5 (Marelli et al., LREC and SemEval 2014).

Format: TSV with a header: pair_ID, sentence_A, sentence_B, relatedness_score, entailment_judgment;
4,500 training, 500 trial and 4,927 test pairs. The benchmark that is called SICK-R scores all 9,927:
read the three splits together for it.
"""

from pathlib import Path

import polars as pl

from embedstudy.sources.raw_files import check_header, locate
from embedstudy.sources.text_files import cells, check_digest, lines, number, pairs, write_pairs

SOURCE = "the file of that name in brmson/dataset-sts (data/sts/sick2014)"
SPLITS = {
    "train": "SICK_train.txt",
    "valid": "SICK_trial.txt",
    "test": "SICK_test_annotated.txt",
}
FILES = list(SPLITS.values())
HEADER = ["pair_ID", "sentence_A", "sentence_B", "relatedness_score", "entailment_judgment"]
SHA256 = {}


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
