"""Published texts with human judgements: reading their lines, checking and writing what was read.

A set of sentence pairs is prepared as ``<split>.parquet`` with ``sentence1``, ``sentence2`` (String)
and ``score`` (Float64). A retrieval set is ``corpus.parquet`` and ``queries.parquet`` (``id``,
``text``) and ``qrels.parquet`` (``query``, ``document``: ids; ``relevance``: Int64, above 0).
Either has a ``spec.json`` beside it.
"""

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.output import write_spec

PAIR = {"sentence1": pl.String, "sentence2": pl.String, "score": pl.Float64}
TEXT = {"id": pl.String, "text": pl.String}
JUDGEMENT = {"query": pl.String, "document": pl.String, "relevance": pl.Int64}


def decode(content: bytes, where: Path | str, source: str) -> str:
    """The text of a file that must hold some and be UTF-8; a byte order mark is dropped."""
    if not content.strip():
        raise StudyError(f"{where} is empty: replace it by {source}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{where} is not UTF-8 (byte {error.start + 1}): replace it by {source}."
        ) from None


def lines(content: bytes, where: Path | str, source: str) -> list[str]:
    """The lines of ``decode``, whatever their line ends; empty lines at the end are dropped."""
    text = decode(content, where, source).replace("\r\n", "\n")
    return text.rstrip("\n").split("\n")


def cells(line: str, columns: int, separator: str, where: str, source: str) -> list[str]:
    """The cells of one line, which must have ``columns`` of them; ``where`` names file and line."""
    found = line.split(separator)
    if len(found) != columns:
        raise StudyError(
            f"{where} has {len(found)} columns where {columns} separated by {separator!r} are "
            f"expected: replace it by {source}."
        )
    return found


def number(text: str, where: str, source: str, kind: type = float) -> float:
    """A finite number of that kind that 64 bits hold, or one sentence that names its place."""
    try:
        found = kind(text)
        if math.isfinite(found) and (kind is float or abs(found) < 2**63):
            return found
    except (ValueError, OverflowError):
        pass
    what = "whole number" if kind is int else "number"
    raise StudyError(f"{where}: {text[:40]!r} is no {what}: replace the file by {source}.")


def pairs(rows: Iterable[tuple[str, str, float]]) -> pl.DataFrame:
    """A frame of sentence pairs, white space around a sentence removed."""
    frame = pl.DataFrame(list(rows), PAIR, orient="row")
    return frame.with_columns(pl.col("sentence1", "sentence2").str.strip_chars())


def digest(frame: pl.DataFrame) -> str:
    """A checksum of what a frame says, whatever the files it came from."""
    text = "\n".join("\t".join(map(str, row)) for row in frame.iter_rows())
    return hashlib.sha256(text.encode()).hexdigest()


def check_digest(frame: pl.DataFrame, expected: str | None, where: Path, source: str) -> None:
    """Refuse contents other than the published ones; ``None`` skips the comparison."""
    if expected is not None and digest(frame) != expected:
        raise StudyError(
            f"{where} reads as {frame.height:,} rows that are not the published ones "
            f"(sha256 {digest(frame)[:12]}…, not {expected[:12]}…): replace it by {source}."
        )


def write_pairs(folder: Path, name: str, splits: dict[str, pl.DataFrame], protocol: str) -> dict:
    """Write the prepared form of sentence pairs; return the specification."""
    counts = {split: frame.height for split, frame in splits.items()}
    spec = {"name": name, "kind": "pairs", "pairs": counts, "protocol": protocol}
    with replacing(Path(folder)) as partial:
        for split, frame in splits.items():
            frame.write_parquet(partial / f"{split}.parquet", statistics=False)
        write_spec(partial, spec)
    return spec


def write_retrieval(
    folder: Path,
    name: str,
    corpus: pl.DataFrame,
    queries: pl.DataFrame,
    qrels: pl.DataFrame,
    *,
    protocol: str,
    where: Path,
    source: str,
) -> dict:
    """Write the prepared form of a retrieval set; return the specification.

    Only queries with a judgement above 0 are kept; a judgement that is repeated counts once. Raises
    ``StudyError``, naming ``where`` and ``source``, when an id occurs twice, a judgement names an
    unknown id or contradicts another, or nothing is judged.
    """
    for what, frame in {"document": corpus, "query": queries}.items():
        if frame["id"].n_unique() != frame.height:
            twice = frame["id"].filter(frame["id"].is_duplicated())[0]
            raise StudyError(f"{where} holds {what} {twice!r} twice: replace it by {source}.")
        unknown = qrels.filter(~pl.col(what).is_in(frame["id"].implode()))
        if unknown.height:
            raise StudyError(
                f"{where} judges {what} {unknown[what][0]!r}, which it does not hold: "
                f"replace it by {source}."
            )
    qrels = qrels.unique(maintain_order=True)
    if (again := qrels.filter(pl.struct("query", "document").is_duplicated())).height:
        raise StudyError(
            f"{where} judges document {again['document'][0]!r} for query {again['query'][0]!r} in two "
            f"ways: replace it by {source}."
        )
    qrels = qrels.filter(pl.col("relevance") > 0)
    if not qrels.height:
        raise StudyError(f"{where} judges nothing relevant: replace it by {source}.")
    queries = queries.filter(pl.col("id").is_in(qrels["query"].implode()))
    frames = {"corpus": corpus, "queries": queries, "qrels": qrels}
    spec = {
        "name": name,
        "kind": "retrieval",
        "counts": {kind: frame.height for kind, frame in frames.items()},
        "protocol": protocol,
    }
    with replacing(Path(folder)) as partial:
        for kind, frame in frames.items():
            frame.write_parquet(partial / f"{kind}.parquet", statistics=False)
        write_spec(partial, spec)
    return spec
