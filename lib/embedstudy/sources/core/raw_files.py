"""Checks on official files before any long work, each ending in one clear sentence."""

import contextlib
import gzip
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError

# What reading a member of a zip file may raise: it is damaged, encrypted or packed in a way that Python
# does not know (the last two are RuntimeErrors).
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
)


@dataclass(frozen=True)
class Official:
    """Published files: ``prepare(directory, folder, **options)`` and the files it reads.

    Each entry of ``files`` is a set of names that suffices; ``a|b`` in it stands for either name.
    """

    prepare: Callable[..., dict]
    files: tuple[list[str], ...]
    source: str


def missing(directory: Path, wanted: list[str]) -> list[str]:
    """Those of ``wanted`` that ``directory`` lacks; ``a|b`` is satisfied by either name."""
    return [
        names.replace("|", " or ")
        for names in wanted
        if not any((directory / name).is_file() for name in names.split("|"))
    ]


def locate(directory: Path, names: str, source: str) -> Path:
    """The first file of ``a|b`` in ``directory`` that exists; it must not be empty."""
    lacking = missing(directory, [names])
    if lacking:
        raise StudyError(f"{directory} holds no {lacking[0]}: put there {source}.")
    path = next(directory / name for name in names.split("|") if (directory / name).is_file())
    if path.stat().st_size == 0:
        raise StudyError(f"{path} is empty: replace it by {source}.")
    return path


def streamed(path: Path) -> str:
    """The name under which polars reads a file piece by piece (pass ``glob=False`` with it).

    A plain path is mapped into memory, and the pages of an 11 GB file then count as the process's.
    """
    return path.resolve().as_uri()


def check_md5(path: Path, expected: str | None, source: str) -> None:
    """Compare a file with its published checksum; ``None`` skips the comparison."""
    if expected is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        raise StudyError(
            f"{path} has md5 {found}, but {expected} is published: replace it by {source}."
        )


def check_header(path: Path, expected: list[str], separator: str, source: str) -> None:
    """Compare the first line with the published column names."""
    found = first_line(path, source).split(separator)
    if found != expected:
        raise StudyError(
            f"{path}, line 1 names {len(found)} columns ({_short(separator.join(found))}) where "
            f"{len(expected)} ({_short(separator.join(expected))}) are expected: "
            f"replace it by {source}."
        )


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def first_line(path: Path, source: str) -> str:
    """The first line of a text file, which may be compressed by gzip; at most 64 KiB of it."""
    opened = gzip.open if is_gzip(path) else open
    try:
        with opened(path, "rb") as file:
            return file.readline(1 << 16).decode("utf-8", "replace").rstrip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise StudyError(
            f"{path} is truncated or corrupt ({error}): replace it by {source}."
        ) from None


def check_columns(
    path: Path, columns: int, separator: str, source: str, lines: pl.LazyFrame | None = None
) -> None:
    """Check that every line has ``columns`` columns; one pass over the lines, nothing kept.

    Needed because a CSV reader takes a short line, such as a cut-off last one, for missing values.
    ``lines`` gives the lines (column ``line``) of a file that is not UTF-8.
    """
    lines = pl.scan_lines(streamed(path), glob=False) if lines is None else lines
    found = pl.col("line").str.count_matches(separator, literal=True) + 1
    with parsing(path, source):
        wrong = (
            lines.with_row_index("row")
            .select("row", found=found)
            .filter(pl.col("found") != columns)
            .head(1)
            .collect(engine="streaming")
        )
    if wrong.height:
        row, found = wrong.row(0)
        raise StudyError(
            f"{path}, line {row + 1} has {found} columns where {columns} separated by "
            f"{separator!r} are expected: replace it by {source}."
        )


@contextlib.contextmanager
def parsing(path: Path, source: str) -> Iterator[None]:
    """Turn a failure to read ``path`` into one sentence about it."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = _short(str(error).strip().splitlines()[0], 160)
        raise StudyError(
            f"{path} cannot be read in its published format ({reason}): replace it by {source}."
        ) from error


def _short(text: str, limit: int = 60) -> str:
    text = text.replace("\t", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def scan_tsv(path: Path, schema: dict) -> pl.LazyFrame:
    """A tab-separated file without header or quotes, streamed; ``line`` numbers its rows from 0."""
    return pl.scan_csv(
        streamed(path),
        glob=False,
        separator="\t",
        has_header=False,
        quote_char=None,
        schema=schema,
        row_index_name="line",
    )
