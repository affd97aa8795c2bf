"""The prepared form of a click-through data set: ids per field and a specification.

A prepared folder holds

- ``<split>.parquet``, one a split: ``label`` (UInt8), one UInt32 column a field with the id *within
  that field*, ``unseen`` (Boolean): the event holds a value that training never shows, and, where
  events come in clusters, ``group`` (UInt32): whose event it is, as a number within the split;
- ``spec.json``: name, kind (``clicks``), fields with their rows, events and positive rate of each
  split, ``min_count``, ``sample`` (how many events were asked for, null for all), ``group`` (the
  column that clusters the events, or null) and the protocol in words.

Ids follow frequency: 0 is the row all rare and unknown values of the field share, 1 the value most
frequent in training, and so on, ties by value ascending. So "rare" is a comparison of ids.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core.output import write_spec

ROW_GROUP = 1 << 18  # rows; fixed, so that the bytes written do not depend on the machine
GROUP = "group"
RESERVED = {"label", "unseen", GROUP}


def write_ctr(
    splits: dict[str, pl.LazyFrame | pl.DataFrame],
    fields: list[str],
    folder: Path,
    *,
    name: str,
    min_count: int,
    protocol: str,
    events: int | None = None,
    group: str | None = None,
) -> dict:
    """Encode raw events and write the prepared folder; return its specification.

    ``splits`` must hold ``train``; each frame has ``label`` (0 or 1) and the raw columns ``fields``
    of any integer or string type. A null is a value like any other. Rows keep their
    order. Values seen fewer than ``min_count`` times in training share id 0. ``events``: take a
    random sample of that many (all if there are no more), each split in proportion, always the
    same; what training shows, and how often, is then counted in the sample. ``group``: the column,
    a field or another one, that tells whose event it is (a user's, say): events of one are no
    independent draws, and intervals resample them together.

    Memory: one field at a time is counted and encoded, and everything streams through temporary
    files beside ``folder``, so the peak is set by the largest field's vocabulary (and, for a sample,
    by 8 bytes an event of the largest split). The folder appears whole or not at all; equal inputs
    give equal bytes.

    Raises ``StudyError`` when a split is empty, a label is neither 0 nor 1 or the disk is full.
    """
    if "train" not in splits or RESERVED & set(fields) or len(set(fields)) != len(fields):
        raise ValueError(f"a train split and distinct fields other than {RESERVED} are needed")
    folder = Path(folder)
    with replacing(folder) as partial, _scratch(folder, "scratch") as scratch:
        raw = {
            split: _spill(frame, fields, group, scratch / f"{split}-raw.parquet")
            for split, frame in splits.items()
        }
        sizes, positive = _labels(raw, name)
        if events is not None and events < sum(sizes.values()):
            raw = _sampled(raw, sizes, events, name, scratch)
            sizes, positive = _labels(raw, name)
        rows = []
        for position, field in enumerate(fields):
            vocabulary = _vocabulary(raw["train"], field, min_count)
            rows.append({"name": field, "rows": 1 + vocabulary["id"].max()})
            for split, frame in raw.items():
                _encode(frame, field, vocabulary, scratch / f"{split}-{position}.parquet")
        for split in splits:
            _assemble(raw[split], fields, scratch, split, partial / f"{split}.parquet")
        spec = {
            "name": name,
            "kind": "clicks",
            "fields": rows,
            "events": sizes,
            "positive_rate": positive,
            "min_count": min_count,
            "sample": events,
            "group": group,
            "protocol": protocol,
        }
        write_spec(partial, spec)
    return spec


def read_spec(folder: Path) -> dict:
    """Return the specification of a prepared folder, after checking that the folder is whole.

    Raises ``StudyError`` naming what is missing and the command that prepares it.
    """
    folder = Path(folder)
    remedy = (
        f"run `dvc repro prepare-{folder.name}`, for an official data set "
        f"`python -m embedstudy.sources.official {folder.name} --from DIR`, or for a table of your own "
        f"`python -m embedstudy.sources.table_file FILE --name {folder.name}`."
    )
    path = folder / "spec.json"
    if not path.is_file():
        raise StudyError(f"{folder} holds no prepared data set (no spec.json): {remedy}")
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
        wanted = [f"{split}.parquet" for split in spec["events"].keys()]  # noqa: SIM118
        missing = [file for file in wanted if not (folder / file).is_file()]
    # OSError: what should be a split is too long to name a file.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise StudyError(f"{path} is not a specification of a data set: {remedy}") from error
    if missing:
        raise StudyError(f"{folder} is incomplete ({', '.join(missing)} missing): {remedy}")
    return spec


def row_hash(index: pl.Expr, seed: int) -> pl.Expr:
    """A UInt64 hash of a row number: output ``index + 1`` of SplitMix64 started at ``seed``.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Written in
    plain integer arithmetic, so it is the same on every machine and in every version of polars.
    """

    def word(value: int) -> pl.Expr:
        return pl.lit(value % 2**64, dtype=pl.UInt64)

    mixed = (index.cast(pl.UInt64) + word(1)) * word(0x9E3779B97F4A7C15) + word(seed)
    mixed = (mixed ^ (mixed // word(1 << 30))) * word(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed // word(1 << 27))) * word(0x94D049BB133111EB)
    return mixed ^ (mixed // word(1 << 31))


def random_splits(frame: pl.LazyFrame, index: str, seed: int) -> dict[str, pl.LazyFrame]:
    """Split 8:1:1 at random: each row goes by a hash of its number in column ``index``.

    No row is held in memory and the split of a row depends on nothing but its number and ``seed``.
    """
    tenth = row_hash(pl.col(index), seed) % 10
    return {
        "train": frame.filter(tenth < 8),
        "valid": frame.filter(tenth == 8),
        "test": frame.filter(tenth == 9),
    }


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` if the block succeeds."""
    with _scratch(folder, "old") as old, _scratch(folder, "partial") as partial:
        yield partial
        if folder.exists():
            folder.rename(old / folder.name)
        partial.rename(folder)


@contextlib.contextmanager
def _scratch(folder: Path, purpose: str) -> Iterator[Path]:
    """Yield an empty folder beside ``folder``, removed afterwards, or next time if we are killed."""
    scratch = folder.parent / f".{folder.name}.{purpose}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(frame: pl.LazyFrame, path: Path, compression: str = "zstd") -> None:
    try:
        frame.sink_parquet(path, compression=compression, row_group_size=ROW_GROUP)
    except (pl.exceptions.PolarsError, OSError) as error:
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise StudyError(
            f"No space is left on the device for {path.parent}: free some and run this again."
        ) from error


def _spill(
    frame: pl.LazyFrame | pl.DataFrame, fields: list[str], group: str | None, path: Path
) -> pl.LazyFrame:
    """The events as a frame that can be read column by column, without parsing them again."""
    number = [] if group is None else [(pl.col(group).rank("dense") - 1).alias(GROUP)]
    chosen = frame.lazy().select("label", *fields, *number)
    if isinstance(frame, pl.DataFrame):
        return chosen
    _write(chosen, path, "lz4")
    return pl.scan_parquet(path, glob=False)


def _sampled(
    raw: dict[str, pl.LazyFrame], sizes: dict[str, int], events: int, name: str, scratch: Path
) -> dict[str, pl.LazyFrame]:
    """A random subset of ``events`` events, each split in proportion, in the original order."""
    total, sampled = sum(sizes.values()), {}
    for split, frame in raw.items():
        size = sizes[split] * events // total
        if not size:
            raise StudyError(
                f"A sample of {events} of the {total} events of {name} leaves none in the {split} "
                "split: ask for more."
            )
        rows = numpy_generator(0, "sample", split).choice(sizes[split], size, replace=False)
        drawn = np.zeros(sizes[split], bool)
        drawn[rows] = True
        marks = pl.LazyFrame({"unseen": drawn})  # a reserved name, so no field bears it
        marked = pl.concat([frame, marks], how="horizontal", strict=True)
        path = scratch / f"{split}-sampled.parquet"
        _write(marked.filter("unseen").drop("unseen"), path, "lz4")
        sampled[split] = pl.scan_parquet(path, glob=False)
    return sampled


def _labels(raw: dict[str, pl.LazyFrame], name: str) -> tuple[dict, dict]:
    """Events and share of positive events of each split."""
    events, positive = {}, {}
    for split, frame in raw.items():
        label = pl.col("label").cast(pl.Int64)
        found = frame.select(
            events=pl.len(),
            positive=(label == 1).sum(),
            wrong=(~label.is_in([0, 1])).fill_null(True).sum(),
        ).collect(engine="streaming")
        total, ones, wrong = found.row(0)
        if wrong:
            raise StudyError(
                f"{wrong} of {total} labels in the {split} split of {name} are neither 0 nor 1: "
                "check the label column of the file it was read from."
            )
        if not total:
            raise StudyError(
                f"The {split} split of {name} holds no event: check the file it was read from, "
                "or use one with more events."
            )
        events[split], positive[split] = total, ones / total
    return events, positive


def _vocabulary(train: pl.LazyFrame, field: str, min_count: int) -> pl.DataFrame:
    """Every value of training (``value``) with its ``id`` and ``count``, most frequent first."""
    counted = (
        train.group_by(pl.col(field).alias("value"))
        .agg(count=pl.len().cast(pl.UInt32))
        .collect(engine="streaming")
        .sort(["count", "value"], descending=[True, False], nulls_last=False)
    )
    kept = pl.col("count") >= min_count
    place = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32)
    return counted.with_columns(id=pl.when(kept).then(place).otherwise(pl.lit(0, pl.UInt32)))


def _encode(frame: pl.LazyFrame, field: str, vocabulary: pl.DataFrame, path: Path) -> None:
    """Write the field's ids (null: never seen in training) in the order of the events."""
    ids = frame.select(pl.col(field).alias("value")).join(
        vocabulary.lazy().select("value", "id"),
        on="value",
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    _write(ids.select(pl.col("id").alias(field)), path, "lz4")


def _assemble(
    frame: pl.LazyFrame, fields: list[str], scratch: Path, split: str, path: Path
) -> None:
    """Put label and encoded fields side by side again."""
    columns = [
        pl.scan_parquet(scratch / f"{split}-{position}.parquet", glob=False)
        for position in range(len(fields))
    ]
    there = frame.collect_schema().names()
    group = [pl.col(GROUP).cast(pl.UInt32).fill_null(pl.lit(2**32 - 1))] if GROUP in there else []
    kept = frame.select(pl.col("label").cast(pl.UInt8), *group)
    together = pl.concat([kept, *columns], how="horizontal", strict=True)
    unseen = pl.any_horizontal(pl.col(field).is_null() for field in fields)
    _write(
        together.select(
            "label",
            *(pl.col(field).fill_null(0) for field in fields),
            unseen.alias("unseen"),
            *(GROUP for _ in group),
        ),
        path,
    )
