"""SemEval STS 2012 to 2016, test sets: pairs with mean human similarity from 0 to 5.

A year has several subsets (column ``subset``). Two formats are read:

- as SemEval published them: ``STS.input.<subset>.txt`` (sentence1, tab, sentence2) and
  ``STS.gs.<subset>.txt`` (one score a line, empty where nobody judged the pair);
- TSV as ``brmson/dataset-sts`` keeps them: score, sentence1, sentence2.

Pairs without a score are left out. 3,108; 1,500; 3,750; 3,000 and 1,186 pairs remain. 2013 is
without its SMT subset, whose licence forbids copies: published figures leave it out as well.
"""

import io
import tarfile
from functools import partial
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import Official, locate
from embedstudy.sources.core.text_files import (
    cells,
    check_digest,
    lines,
    number,
    pairs,
    write_pairs,
)
from embedstudy.sources.core.text_sets import TextSet

SOURCE = "the test files of that year in brmson/dataset-sts (data/sts/semeval-sts) or of SemEval"
ARCHIVE_2012 = "2012.test-gold.tgz"
SUBSETS = {
    2012: ["MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"],
    2013: ["FNWN", "OnWN", "headlines"],
    2014: ["OnWN", "deft-forum", "deft-news", "headlines", "images", "tweet-news"],
    2015: ["answers-forums", "answers-students", "belief", "headlines", "images"],
    2016: ["answer-answer", "headlines", "plagiarism", "postediting", "question-question"],
}
SHA256 = {  # of the pairs
    2012: "4e8e9209ec7ebe9c3b8a5542bcff21ba9729a66e6ab5c1d4ca2939c2ab9dac99",
    2013: "af532b3d7cf6bec08e3d172265e79acce56e68f947bf6b0bfa575f602c2a7a05",
    2014: "de0a3417b4ccf0af9a7b032d79e20afe31ba15a12cb89268e5f045398f347031",
    2015: "3beb31fb7cf89256d78c099d444ec0e14a8890549fa5aea05ffcedad01efb918",
    2016: "ae72f507a19a87a7681c75be1b0d4ccc08a61a71165052583ffb1c14e649803c",
}

PUBLISHED = {2012: 72.37, 2013: 80.60, 2014: 75.60, 2015: 85.39, 2016: 78.99}


def names(year: int) -> list[str]:
    """The files of a year; ``a|b`` stands for either."""
    if year == 2012:  # of all years the only one whose loose TSV files are incomplete
        return [ARCHIVE_2012]
    return [f"{year}.{subset}.test.tsv|STS.input.{subset}.txt" for subset in SUBSETS[year]]


def prepare(directory: Path, folder: Path, *, year: int, sha256: dict[int, str] = SHA256) -> dict:
    """Prepare one year from ``directory`` into ``folder``; return the specification.

    ``sha256`` of the pairs read, by year. Raises ``StudyError`` when a file is missing, empty, not
    UTF-8, not in a format above or not the published one.
    """
    directory = Path(directory)
    read = _read_archive if year == 2012 else _read_files
    subsets = [
        frame.with_columns(subset=pl.lit(subset))
        for subset, frame in zip(SUBSETS[year], read(directory, year), strict=True)
    ]
    test = pl.concat(subsets)
    check_digest(test, sha256.get(year), directory, SOURCE)
    protocol = "Test pairs with a score, 0-5; the figure is one correlation over all subsets."
    return write_pairs(folder, f"sts{year % 100}", {"test": test}, protocol)


def _read_files(directory: Path, year: int) -> list[pl.DataFrame]:
    frames = []
    for name in names(year):
        path = locate(directory, name, SOURCE)
        if path.suffix == ".tsv":
            frames.append(_scored(path.read_bytes(), path))
            continue
        gold = locate(directory, path.name.replace(".input.", ".gs."), SOURCE)
        frames.append(_two_files(path.read_bytes(), gold.read_bytes(), path))
    return frames


def _read_archive(directory: Path, year: int) -> list[pl.DataFrame]:
    path = locate(directory, ARCHIVE_2012, SOURCE)
    try:
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
            members = {
                Path(one.name).name: archive.extractfile(one).read()
                for one in archive.getmembers()
                if one.isfile()
            }
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StudyError(
            f"{path} is truncated or corrupt ({' '.join(str(error).split())}): replace it by {SOURCE}."
        ) from None
    frames = []
    for subset in SUBSETS[year]:
        wanted = [f"STS.{kind}.{subset}.txt" for kind in ("input", "gs")]
        for name in wanted:
            if name not in members:
                raise StudyError(f"{path} holds no {name}: replace it by {SOURCE}.")
        frames.append(_two_files(*(members[name] for name in wanted), f"{path}, {wanted[0]}"))
    return frames


def _scored(content: bytes, where: Path) -> pl.DataFrame:
    """Lines of score, sentence1, sentence2; those with no score are skipped."""
    rows = []
    for position, line in enumerate(lines(content, where, SOURCE), 1):
        place = f"{where}, line {position}"
        score, first, second = cells(line, 3, "\t", place, SOURCE)
        if score.strip():
            rows.append((first, second, number(score, place, SOURCE)))
    return pairs(rows)


def _two_files(sentences: bytes, gold: bytes, where: Path | str) -> pl.DataFrame:
    """Lines of sentence1, sentence2 beside lines of scores."""
    texts = lines(sentences, where, SOURCE)
    scores = lines(gold, f"the scores of {where}", SOURCE)
    scores += [""] * (len(texts) - len(scores))  # unjudged pairs at the end
    if len(scores) != len(texts):
        raise StudyError(
            f"{where} has {len(texts)} pairs for {len(scores)} scores: replace both by {SOURCE}."
        )
    rows = []
    for position, (line, score) in enumerate(zip(texts, scores, strict=True), 1):
        place = f"{where}, line {position}"
        first, second = (
            line.split("\t")[:2] if "\t" in line else cells(line, 2, "\t", place, SOURCE)
        )
        if score.strip():
            rows.append((first, second, number(score, place, SOURCE)))
    return pairs(rows)


SETS = tuple(
    TextSet(
        folder=f"sts{year % 100}",
        task=f"STS{year % 100}",
        pairs=("test",),
        scale=(0.0, 5.0),
        published=PUBLISHED[year],
        official=Official(partial(prepare, year=year), (names(year),), SOURCE),
    )
    for year in SUBSETS
)
