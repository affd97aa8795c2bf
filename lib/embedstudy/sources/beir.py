"""Retrieval sets in the format of BEIR (Thakur et al., NeurIPS 2021, arXiv:2104.08663); SciFact.

Format, as a folder or as the zip file it is published in: ``corpus.jsonl`` (``_id``, ``title``,
``text``), ``queries.jsonl`` (``_id``, ``text``) and ``qrels/<split>.tsv`` (header query-id, corpus-id,
score; tab-separated). A document's text is its title, a space and its text, as in BEIR's own
evaluation. Queries are those that the split judges.

SciFact (Wadden et al., EMNLP 2020) is also read from the files of its authors (``scifact.zip`` of
CSV files: doc_id, title, abstract) beside ``beir_queries.jsonl`` and ``beir_qrels_test.tsv``. An
abstract there is a printed array of strings, ``['…' '…']`` over several lines; its sentences are
joined by a space, as in BEIR.
"""

import ast
import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.raw_files import check_md5, locate
from embedstudy.sources.text_files import (
    JUDGEMENT,
    TEXT,
    cells,
    check_digest,
    decode,
    lines,
    number,
    write_retrieval,
)

SOURCE = "a data set of BEIR (beir-cellar/beir, README): corpus.jsonl, queries.jsonl, qrels/"
FILES = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"]
SCIFACT = "SciFact of BEIR (scifact.zip, beir-cellar/beir), unpacked or not"
SCIFACT_MD5 = "5f7d1de60b170fc8027bb7898e2efca1"  # of BEIR's scifact.zip, as its README says
SCIFACT_FILES = ["scifact.zip", "beir_queries.jsonl", "beir_qrels_test.tsv"]
SCIFACT_SHA256 = "6929122f2cebbfeb7cdf5ba061f6bf3f74d48bef5a342d67c2e4000dd1928570"  # documents
HEADER = ["query-id", "corpus-id", "score"]
PROTOCOL = "Title and text of each document; the queries that the test split judges."
_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


class Files:
    """The files of one data set: a folder, or a zip file whose paths may have a common folder."""

    def __init__(self, path: Path, source: str):
        self.path, self.source = Path(path), source
        self.zip = None
        if self.path.is_dir():
            return
        try:
            self.zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise StudyError(f"There is no {self.path}: put there {source}.") from None
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> StudyError:
        return StudyError(
            f"{self.path} is truncated or corrupt ({error}): replace it by {self.source}."
        )

    def _member(self, name: str) -> str | None:
        inside = (one for one in self.zip.namelist() if f"/{one}".endswith(f"/{name}"))
        return min(inside, key=len, default=None)

    def __contains__(self, name: str) -> bool:
        return self._member(name) is not None if self.zip else (self.path / name).is_file()

    def read(self, name: str) -> tuple[bytes, str]:
        """The bytes of one file and how to call it in a message."""
        if self.zip is None:
            return locate(self.path, name, self.source).read_bytes(), str(self.path / name)
        if name not in self:
            raise StudyError(f"{self.path} holds no {name}: replace it by {self.source}.")
        try:
            return self.zip.read(self._member(name)), f"{self.path}, {name}"
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise self._broken(error) from None


def prepare(directory: Path, folder: Path, *, split: str = "test") -> dict:
    """Prepare the BEIR set in ``directory`` (or zip file) into ``folder``; return the specification.

    Raises ``StudyError`` when a file is missing, empty, not UTF-8 or not in the format above.
    """
    files = Files(directory, SOURCE)
    return write_retrieval(
        folder,
        Path(folder).name,
        documents(*files.read("corpus.jsonl"), SOURCE),
        texts(*files.read("queries.jsonl"), SOURCE),
        judgements(*files.read(f"qrels/{split}.tsv"), SOURCE),
        protocol=PROTOCOL.replace("test", split),
        where=Path(directory),
        source=SOURCE,
    )


def prepare_scifact(
    directory: Path,
    folder: Path,
    *,
    md5: str | None = SCIFACT_MD5,
    sha256: str | None = SCIFACT_SHA256,
) -> dict:
    """Prepare SciFact into ``folder`` from BEIR's files, unpacked or zipped, or from its authors'.

    ``directory`` may also be the zip file; the authors' needs BEIR's queries and judgements beside it.
    ``md5`` of BEIR's zip file, ``sha256`` of the documents read from the authors' file.
    """
    directory = Path(directory)
    if (directory / "corpus.jsonl").is_file():
        return prepare(directory, folder)
    path = directory if directory.is_file() else locate(directory, "scifact.zip", SCIFACT)
    files = Files(path, SCIFACT)
    if "corpus.jsonl" in files:
        check_md5(path, md5, SCIFACT)
        return prepare(path, folder)
    corpus = abstracts(*files.read("corpus_train.csv"))
    check_digest(corpus, sha256, path, SCIFACT)
    beside = Files(path.parent, SCIFACT)
    return write_retrieval(
        folder,
        Path(folder).name,
        corpus,
        texts(*beside.read("beir_queries.jsonl"), SCIFACT),
        judgements(*beside.read("beir_qrels_test.tsv"), SCIFACT),
        protocol=PROTOCOL,
        where=directory,
        source=SCIFACT,
    )


def _objects(content: bytes, where: str, source: str) -> Iterator[dict]:
    for position, line in enumerate(lines(content, where, source), 1):
        try:
            one = json.loads(line)
            yield {key: one.get(key) or "" for key in ("title",)} | {
                "id": str(one["_id"]),
                "text": one["text"],
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StudyError(
                f"{where}, line {position} is no JSON object with _id and text: "
                f"replace the file by {source}."
            ) from None


def texts(content: bytes, where: str, source: str) -> pl.DataFrame:
    """The queries of a ``.jsonl`` file: ``id``, ``text``."""
    rows = [(one["id"], one["text"].strip()) for one in _objects(content, where, source)]
    return pl.DataFrame(rows, TEXT, orient="row")


def documents(content: bytes, where: str, source: str) -> pl.DataFrame:
    """The documents of a ``.jsonl`` file: ``id`` and ``text``, the title before the text."""
    rows = [
        (one["id"], f"{one['title']} {one['text']}".strip())
        for one in _objects(content, where, source)
    ]
    return pl.DataFrame(rows, TEXT, orient="row")


def judgements(content: bytes, where: str, source: str) -> pl.DataFrame:
    """The judgements of a ``.tsv`` file."""
    found = lines(content, where, source)
    if found[0].split("\t") != HEADER:
        raise StudyError(
            f"{where}, line 1 is not the header {', '.join(HEADER)}: replace it by {source}."
        )
    rows = []
    for position, line in enumerate(found[1:], 2):
        place = f"{where}, line {position}"
        query, document, score = cells(line, 3, "\t", place, source)
        rows.append((query, document, number(score, place, source, int)))
    return pl.DataFrame(rows, JUDGEMENT, orient="row")


def abstracts(content: bytes, where: str) -> pl.DataFrame:
    """The documents of the authors' CSV file."""
    rows = csv.reader(io.StringIO(decode(content, where, SCIFACT), newline=""))
    if next(rows)[:3] != ["doc_id", "title", "abstract"]:
        raise StudyError(
            f"{where}, line 1 does not name doc_id, title, abstract: replace it by {SCIFACT}."
        )
    found = []
    for row in rows:
        place = f"{where}, line {rows.line_num}"
        if len(row) < 3:
            raise StudyError(f"{place} has no abstract: replace the file by {SCIFACT}.")
        text = " ".join(printed_strings(row[2], place))
        found.append((row[0], f"{row[1].strip()} {text}".strip()))
    return pl.DataFrame(found, TEXT, orient="row")


def printed_strings(text: str, where: str) -> list[str]:
    """The strings of an array as NumPy prints it, quoted and separated by white space.

    Read as a Python list, adjacent strings would run together without a space.
    """
    if _LITERAL.sub("", text).strip("[] \r\n\t"):
        raise StudyError(f"{where} is no printed array of strings: replace the file by {SCIFACT}.")
    return [ast.literal_eval(one).strip() for one in _LITERAL.findall(text)]
