"""Cranfield 2 (Cleverdon, 1967): 1,400 abstracts on aerodynamics, 225 questions, graded judgements.

Format: ``cran.all.1400`` and ``cran.qry`` are tagged text: ``.I`` number, then fields ``.T`` title,
``.A`` authors, ``.B`` source, ``.W`` text, each on lines of its own; ``cranqrel`` has lines of query,
document and code. Three traps:

- judgements count queries by their position, 1 to 225; the numbers that ``cran.qry`` prints go to 365;
- the code of the files' own read-me is 1 for a complete answer down to 4 for minimum interest (some
  toolkits describe it the other way round), so relevance here is 5 - code;
- code -1 (one in each query) is explained nowhere and is left out, although BM25 ranks half of those
  documents in its first three (they may be what a question was made from), while the median rank of
  codes 1 to 4 is 17, 31, 45 and 73: evidence also for the direction of the scale.

A document's text is its ``.W`` field, which repeats the title. Two documents (471 and 995) have none
and stay as they are, empty; 995 is judged.
"""

import re
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import Official, locate
from embedstudy.sources.core.text_files import (
    JUDGEMENT,
    TEXT,
    check_digest,
    decode,
    lines,
    write_retrieval,
)
from embedstudy.sources.core.text_sets import TextSet, prepared_triple

SOURCE = "the file of that name in the SMART distribution (cran.tar.gz, University of Glasgow)"
FILES = ["cran.all.1400", "cran.qry", "cranqrel"]
WORST = 5  # code of "no interest", whose relevance is 0
NOISE = -1
SHA256 = {  # of what is read
    "cran.all.1400": "206f29223dfac2fbe6e7fa69f8a376abdd9e2f43f0ff6993947304bd8681113c",
    "cran.qry": "7c2c566aecad39405767b175d2d446091dacd98ee83e29fcb4985d95c719a140",
    "cranqrel": "020da57b2ec7edb5d61131508dd0080babceca52fb740155ad93fc6ccf6b6ae3",
}
_FIELD = re.compile(r"^\.([TABW])[ \t]*$", re.MULTILINE)


def prepare(directory: Path, folder: Path, *, sha256: dict[str, str] = SHA256) -> dict:
    """Prepare the three files of ``directory`` into ``folder``; return the specification.

    ``sha256`` of what is read, by file. Raises ``StudyError`` when a file is missing, empty, not
    UTF-8, not in the format above or not the published one.
    """
    paths = [locate(Path(directory), name, SOURCE) for name in FILES]
    corpus = records(paths[0])
    queries = records(paths[1])
    queries = queries.with_columns(id=pl.int_range(1, pl.len() + 1).cast(pl.String))
    qrels = judgements(paths[2])
    for path, frame in zip(paths, (corpus, queries, qrels), strict=True):
        check_digest(frame, sha256.get(path.name), path, SOURCE)
    return write_retrieval(
        folder,
        "cranfield",
        corpus,
        queries,
        qrels,
        protocol="All queries; relevance 1 (minimum interest) to 4 (complete answer).",
        where=Path(directory),
        source=SOURCE,
    )


def records(path: Path) -> pl.DataFrame:
    """The records of a tagged file: ``id`` as printed, and ``text``, the ``.W`` field on one line."""
    text = decode(path.read_bytes(), path, SOURCE).replace("\r\n", "\n")
    head, *found = re.split(r"^\.I[ \t]+", text, flags=re.MULTILINE)
    if head.strip() or not found:
        raise StudyError(f"{path} does not begin with a line .I 1: replace it by {SOURCE}.")
    rows = []
    for record in found:
        number, _, rest = record.partition("\n")
        _, *parts = _FIELD.split(rest)
        fields = dict(zip(parts[::2], parts[1::2], strict=True))
        if not number.strip().isdigit() or "W" not in fields:
            raise StudyError(
                f"{path}, record {number.strip()[:20]!r} has no number or no .W field: "
                f"replace the file by {SOURCE}."
            )
        rows.append((number.strip(), " ".join(fields["W"].split())))
    return pl.DataFrame(rows, TEXT, orient="row")


def judgements(path: Path) -> pl.DataFrame:
    """The judgements, noise left out; of a pair judged twice, the better counts."""
    rows = []
    for position, line in enumerate(lines(path.read_bytes(), path, SOURCE), 1):
        try:
            query, document, code = map(int, line.split())
        except ValueError:
            raise StudyError(
                f"{path}, line {position} is not query, document, code: replace it by {SOURCE}."
            ) from None
        if code != NOISE:
            rows.append((str(query), str(document), WORST - code))
    frame = pl.DataFrame(rows, JUDGEMENT, orient="row")
    best = frame.group_by("query", "document", maintain_order=True)
    return best.agg(pl.col("relevance").max())


SETS = (
    TextSet(
        folder="cranfield",
        retrieval=prepared_triple,
        official=Official(prepare, (FILES,), SOURCE),
    ),
)
