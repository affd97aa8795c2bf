"""Retrieval sets in the format of BEIR (Thakur et al., NeurIPS 2021, arXiv:2104.08663).

Format, as a folder or as the zip file it is published in: ``corpus.jsonl`` (``_id``, ``title``,
``text``), ``queries.jsonl`` (``_id``, ``text``) and ``qrels/<split>.tsv`` (header query-id, corpus-id,
score; tab-separated). A document's text is its title, a space and its text, as in BEIR's own
evaluation; an empty or absent title adds nothing. Queries are those that the split judges.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import ZIP_ERRORS, locate
from embedstudy.sources.core.text_files import (
    JUDGEMENT,
    TEXT,
    cells,
    lines,
    number,
    write_retrieval,
)

SOURCE = "a data set of BEIR (beir-cellar/beir, README): corpus.jsonl, queries.jsonl, qrels/"
FILES = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"]
HEADER = ["query-id", "corpus-id", "score"]
PROTOCOL = "Title and text of each document; the queries that the test split judges."
_BOMB = 200, 1 << 28  # text is packed 3 to 10 times; 200 times and 256 MiB is no text


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
            f"{self.path} is truncated, corrupt or encrypted ({error}): replace it by {self.source}."
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
        member = self.zip.getinfo(self._member(name))
        times, least = _BOMB
        if member.file_size > max(least, times * member.compress_size):
            raise StudyError(
                f"{self.path} claims that {name} holds {member.file_size:,} bytes in "
                f"{member.compress_size:,}, which no text does: replace it by {self.source}."
            )
        try:
            return self.zip.read(member), f"{self.path}, {name}"
        except ZIP_ERRORS as error:
            raise self._broken(error) from None


def prepare(directory: Path, folder: Path, *, name: str | None = None, split: str = "test") -> dict:
    """Prepare the BEIR set in ``directory`` (or zip file) into ``folder``; return the specification.

    ``name`` is the folder's unless given. Raises ``StudyError`` when a file is missing, empty, not
    UTF-8 or not in the format above.
    """
    files = Files(directory, SOURCE)
    return write_retrieval(
        folder,
        name or Path(folder).name,
        *read(files, f"qrels/{split}.tsv"),
        protocol=PROTOCOL.replace("test", split),
        where=Path(directory),
        source=SOURCE,
    )


def read(files: Files, qrels: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Documents, queries and the judgements of the file ``qrels``."""
    return (
        documents(*files.read("corpus.jsonl"), files.source),
        texts(*files.read("queries.jsonl"), files.source),
        judgements(*files.read(qrels), files.source),
    )


def _objects(content: bytes, where: str, source: str) -> Iterator[dict]:
    for position, line in enumerate(lines(content, where, source), 1):
        try:
            one = json.loads(line)
            found = {"id": one["_id"], "title": one.get("title") or "", "text": one["text"]}
            "".join(map(str, found.values())).encode()  # JSON may name half of a character
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise StudyError(
                f"{where}, line {position} is no JSON object with _id and text: "
                f"replace the file by {source}."
            ) from None
        for key, value in found.items():
            if not isinstance(value, str):
                raise StudyError(
                    f"{where}, line {position}: {'_id' if key == 'id' else key} is "
                    f"{json.dumps(value)[:40]}, which is no text: replace the file by {source}."
                )
        yield found


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
