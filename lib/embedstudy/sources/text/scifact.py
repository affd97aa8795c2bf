"""SciFact (Wadden et al., EMNLP 2020): scientific claims against abstracts, as BEIR judges them.

5,183 documents, the 300 test claims, 339 judgements. Three ways in: BEIR's zip file, the same
unpacked, or the files of the authors (``scifact.zip`` of CSV files: doc_id, title, abstract) beside
``beir_queries.jsonl`` and ``beir_qrels_test.tsv``. An abstract there is a printed array of strings,
``['…' '…']`` over several lines; its sentences are joined by a space, as in BEIR.

Whatever the way, what is read must be the published contents: the ids, letters and digits of every
document and judged query, and every judgement, are pinned; white space and punctuation are not, since
copies differ in them.
"""

import ast
import csv
import hashlib
import io
import re
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core import beir
from embedstudy.sources.core.raw_files import Official, locate
from embedstudy.sources.core.text_files import TEXT, decode, write_retrieval
from embedstudy.sources.core.text_sets import TextSet, prepared_triple

SOURCE = "SciFact of BEIR (scifact.zip, beir-cellar/beir), unpacked or not"
FILES = ["scifact.zip"]
SHA256 = {  # of contents
    "corpus": "ddced5e2480300c84d8c76a1b6f0d84e94a4b8175210ae24f031a5089bf6ebc3",
    "queries": "abd9eca53ab9fe40075ae97a458ca4b9cf10c6471ab2f28446a68654148dd39a",
    "qrels": "857f718430fa19a7eae40bc2c5399df2c0fbf3fb572675074010b8e84deeaec0",
}
_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def prepare(directory: Path, folder: Path, *, sha256: dict[str, str] = SHA256) -> dict:
    """Prepare SciFact into ``folder``; return the specification.

    ``directory`` may also be the zip file; the authors' needs BEIR's queries and judgements beside
    it. ``sha256`` of what is read, by kind. Raises ``StudyError`` when a file is missing, not in its
    format or not the published one.
    """
    triple = dict(zip(("corpus", "queries", "qrels"), _read(Path(directory)), strict=True))
    for kind, found in _fingerprints(**triple).items():
        if kind in sha256 and found != sha256[kind]:
            raise StudyError(
                f"The {kind} of {directory} is not that of SciFact (sha256 {found[:12]}…, not "
                f"{sha256[kind][:12]}…): replace it by {SOURCE}, or prepare it under a name of its "
                "own: `python -m embedstudy.sources.official beir --name NAME --from DIR`."
            )
    return write_retrieval(
        folder,
        "scifact",
        *triple.values(),
        protocol=beir.PROTOCOL,
        where=Path(directory),
        source=SOURCE,
    )


def _read(directory: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    if (directory / "corpus.jsonl").is_file():
        return beir.read(beir.Files(directory, SOURCE), "qrels/test.tsv")
    path = directory if directory.is_file() else locate(directory, FILES[0], SOURCE)
    files = beir.Files(path, SOURCE)
    if "corpus.jsonl" in files:
        return beir.read(files, "qrels/test.tsv")
    beside = beir.Files(path.parent, SOURCE)
    return (
        abstracts(*files.read("corpus_train.csv")),
        beir.texts(*beside.read("beir_queries.jsonl"), SOURCE),
        beir.judgements(*beside.read("beir_qrels_test.tsv"), SOURCE),
    )


def _fingerprints(
    corpus: pl.DataFrame, queries: pl.DataFrame, qrels: pl.DataFrame
) -> dict[str, str]:
    """A checksum of each frame's contents, whatever the order of its rows."""
    judged = queries.filter(pl.col("id").is_in(qrels["query"].implode()))
    bare = pl.col("text").str.replace_all(r"[^\p{L}\p{N}]", "")
    frames = {
        "corpus": corpus.select("id", bare),
        "queries": judged.select("id", bare),
        "qrels": qrels.filter(pl.col("relevance") > 0),
    }
    return {
        kind: hashlib.sha256(
            "\n".join(sorted("\t".join(map(str, row)) for row in frame.iter_rows())).encode()
        ).hexdigest()
        for kind, frame in frames.items()
    }


def abstracts(content: bytes, where: str) -> pl.DataFrame:
    """The documents of the authors' CSV file."""
    rows = csv.reader(io.StringIO(decode(content, where, SOURCE), newline=""))
    if next(rows)[:3] != ["doc_id", "title", "abstract"]:
        raise StudyError(
            f"{where}, line 1 does not name doc_id, title, abstract: replace it by {SOURCE}."
        )
    found = []
    for row in rows:
        place = f"{where}, line {rows.line_num}"
        if len(row) < 3:
            raise StudyError(f"{place} has no abstract: replace the file by {SOURCE}.")
        text = " ".join(printed_strings(row[2], place))
        found.append((row[0], f"{row[1].strip()} {text}".strip()))
    return pl.DataFrame(found, TEXT, orient="row")


def printed_strings(text: str, where: str) -> list[str]:
    """The strings of an array as NumPy prints it, quoted and separated by white space.

    Read as a Python list, adjacent strings would run together without a space.
    """
    if _LITERAL.sub("", text).strip("[] \r\n\t"):
        raise StudyError(f"{where} is no printed array of strings: replace the file by {SOURCE}.")
    return [ast.literal_eval(one).strip() for one in _LITERAL.findall(text)]


SETS = (
    TextSet(
        folder="scifact",
        retrieval=prepared_triple,
        published=64.51,
        official=Official(prepare, (FILES, beir.FILES), SOURCE),
    ),
)
