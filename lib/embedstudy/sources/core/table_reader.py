"""A user's table as a frame that streams: CSV or TSV, every cell as text, or Parquet."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import is_gzip, streamed


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn a failure to read the user's file into one sentence."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyError(f"{file} cannot be read as a table ({reason}).") from error


def scan(file: Path, delimiter: str | None) -> pl.LazyFrame:
    """The table in ``file``: Parquet, or text with a header and a ``delimiter`` between cells.

    ``delimiter`` is a tab in ``.tsv`` and a comma elsewhere unless given; the text may be compressed
    by gzip. Raises ``StudyError`` for a file that is missing, empty, not UTF-8 or has a row of
    another length.
    """
    if not file.is_file():
        raise StudyError(f"There is no file {file}: name a CSV, TSV or Parquet file.")
    if not file.stat().st_size:
        raise StudyError(f"{file} is empty: it must hold a header and a row for every event.")
    if file.suffix.lower() == ".parquet":
        return pl.scan_parquet(file, glob=False)
    names = file.name.lower().removesuffix(".gz")
    delimiter = delimiter or ("\t" if names.endswith((".tsv", ".tab")) else ",")
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise StudyError(f"--delimiter is {delimiter!r}: it must be one character, such as ';'.")
    columns = _check_rows(file, delimiter)
    return pl.scan_csv(
        streamed(file), glob=False, separator=delimiter, schema=dict.fromkeys(columns, pl.String)
    )


def _check_rows(file: Path, delimiter: str) -> list[str]:
    """The header, once every row was seen to have as many cells; one pass, nothing kept.

    The reader that streams would take a short row, such as a cut-off last one, for empty cells.
    """
    opened = gzip.open if is_gzip(file) else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            header = next(rows, [])
            twice = [name for name in header if header.count(name) > 1]
            if twice:
                raise StudyError(f"{file}, line 1 names the column {twice[0]!r} twice: rename one.")
            for row in rows:
                if len(row) != len(header):
                    raise StudyError(
                        f"{file}, line {rows.line_num} has {len(row)} cells where the header has "
                        f"{len(header)}, separated by {delimiter!r}: mend it or name another "
                        "--delimiter."
                    )
        except UnicodeDecodeError:
            raise StudyError(
                f"{file}, after line {rows.line_num}, is not UTF-8: save it as UTF-8."
            ) from None
        except csv.Error as error:
            raise StudyError(f"{file}, line {rows.line_num} is not CSV ({error}).") from None
    return header
