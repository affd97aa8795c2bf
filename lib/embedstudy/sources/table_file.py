"""Any table of events as a click-through set: one CSV, TSV or Parquet file, one row an event.

    python -m embedstudy.sources.table_file FILE --name shop --label clicked

writes ``results/prepared/shop``, and ``shop`` is then a data set like those of the study. Every column
but the label is a field; ``--fields`` names others. A value is a category as it is written, numbers
too: bucket those with many values first. An empty cell is a category of its own.

The label is 0 or 1 (``true``, ``false`` in Parquet), or any number with ``--positive-from X``: positive
from X up. ``--split random`` deals rows 8:1:1 by a hash of their number; ``--split time:COLUMN`` trains
on the first 8 tenths in the order of that column (numbers, or text such as 2024-01-31 that sorts as
time does), validates on the next tenth and tests on the last; rows of the same time keep their order.

A CSV file is UTF-8, with a header, and quoted where needed; it may be compressed by gzip. Nothing is
held in memory but a field's vocabulary at a time and, to split by time, that column.
"""

import argparse
import sys
from pathlib import Path

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError, nearest
from embedstudy.core.schema import check
from embedstudy.sources.core.command import CTR_RULES
from embedstudy.sources.core.ctr import RESERVED, random_splits, write_ctr
from embedstudy.sources.core.names import check_free
from embedstudy.sources.core.table_reader import reading, scan
from embedstudy.sources.official import taken_names

# Columns that are added: the number of a row, from 0, and when it happened.
ROW, TIME = "row number", "time of the row"


def prepare(
    file: Path,
    folder: Path,
    *,
    label: str,
    fields: list[str] | None = None,
    split: str = "random",
    min_count: int = 2,
    seed: int = 0,
    events: int | None = None,
    positive_from: float | None = None,
    delimiter: str | None = None,
) -> dict:
    """Prepare the table in ``file`` into ``folder``; return its specification.

    Args:
        file: ``.parquet``, or else text with a header.
        folder: of the prepared set, whose name is the set's.
        label: the column that says what was clicked.
        fields: columns; None for all but the label and the column of time.
        split: ``random`` or ``time:COLUMN``.
        min_count: values seen less often in training share the field's row 0.
        seed: of the random split.
        events: take a random sample of that many; None for all.
        positive_from: smallest label that is positive; None if labels are 0 and 1.
        delimiter: of a text file; None for a tab in ``.tsv`` and a comma elsewhere.

    Raises ``StudyError`` for a file that cannot be read, a column that is missing or a label that is
    no label.
    """
    check({"min_count": min_count, "seed": seed, "events": events}, CTR_RULES, "")
    file = Path(file)
    with reading(file):
        frame = scan(file, delimiter)
        schema = dict(frame.collect_schema())
        time = _time_column(split)
        _need(file, schema, [label, *(fields or []), *([time] if time else [])])
        if fields is None:
            fields = [name for name in schema if name not in (label, time)]
        _check_fields(file, schema, fields, label)
        chosen = frame.with_row_index(ROW).select(
            ROW,
            _label(file, frame, label, positive_from).alias("label"),
            *(_category(file, name, schema[name]) for name in fields),
            *([pl.col(time).alias(TIME)] if time else []),
        )
        splits = _time_splits(file, chosen, time) if time else random_splits(chosen, ROW, seed)
        how = f"order of {time}" if time else f"random by row, seed {seed}"
        positive = "1" if positive_from is None else f"from {positive_from:g}"
        return write_ctr(
            splits,
            fields,
            Path(folder),
            name=Path(folder).name,
            min_count=min_count,
            events=events,
            protocol=f"{file.name}, positive: {label} {positive}; 8:1:1, {how}.",
        )


def _time_column(split: str) -> str | None:
    kind, colon, column = split.partition(":")
    if split == "random":
        return None
    if kind != "time" or not colon or not column:
        raise StudyError(f"--split is {split!r}: it must be random or time:COLUMN.")
    return column


def _need(file: Path, schema: dict, names: list[str]) -> None:
    for name in names:
        if name not in schema:
            raise StudyError(f"{file} has no column {name!r}: {nearest(name, schema)}")


def _check_fields(file: Path, schema: dict, fields: list[str], label: str) -> None:
    """Refuse a choice of fields that cannot be a click-through set."""
    if not fields:
        raise StudyError(f"{file} leaves no field: it needs a column beside the label.")
    for name in fields:
        if name == label:
            raise StudyError(f"The label {label!r} is among --fields, so it would predict itself.")
        if fields.count(name) > 1:
            raise StudyError(f"--fields names {name!r} twice.")
        if name in {*RESERVED, ROW, TIME, ""}:
            raise StudyError(
                f"{file} has a field {name!r}, a name that prepared sets use themselves or that says "
                "nothing: rename the column or leave it out by --fields."
            )


def _category(file: Path, name: str, kind: pl.DataType) -> pl.Expr:
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        raise StudyError(f"{file}: column {name!r} is {kind}, which is no category: leave it out.")
    return pl.col(name) if kind.is_integer() else pl.col(name).cast(pl.String)


def _label(file: Path, frame: pl.LazyFrame, label: str, positive_from: float | None) -> pl.Expr:
    """0 or 1, after a pass over the column that finds the first value that cannot be told."""
    if frame.collect_schema()[label].is_nested():
        raise StudyError(f"{file}: {label} holds lists or maps, but a label must be a number.")
    number = pl.col(label).cast(pl.Float64, strict=False)
    fine = number.is_in([0, 1]) if positive_from is None else number.is_finite()
    wrong = (
        frame.select(label)
        .with_row_index(ROW)
        .filter(~fine.fill_null(False))
        .head(1)
        .collect(engine="streaming")
    )
    if wrong.height:
        row, value = wrong.row(0)
        needed = "0 or 1; a rating becomes that by --positive-from"
        needed = needed if positive_from is None else "a number"
        raise StudyError(
            f"{file}, row {row + 1} below the header: {label} is {str(value)[:40]!r}, but must be "
            f"{needed}."
        )
    return (number >= (1 if positive_from is None else positive_from)).cast(pl.UInt8)


def _time_splits(file: Path, frame: pl.LazyFrame, time: str) -> dict[str, pl.LazyFrame]:
    """8:1:1 in the order of time; every part keeps the rows' order."""
    order = frame.select(TIME, ROW).collect(engine="streaming")
    if not order.height:
        raise StudyError(f"{file} holds a header and no row: it needs a row for every event.")
    if order[TIME].null_count():
        row = order.filter(pl.col(TIME).is_null())[ROW][0]
        raise StudyError(f"{file}, row {row + 1} below the header: {time} is empty.")
    moment = pl.col(TIME)
    if order[TIME].dtype == pl.String:
        numbers = order[TIME].cast(pl.Float64, strict=False)
        if not numbers.null_count():
            moment = moment.cast(pl.Float64)
    order = order.with_columns(moment).sort(TIME, ROW)
    bounds = [order.row(order.height * tenths // 10) for tenths in (8, 9)]
    before = [(moment < when) | ((moment == when) & (pl.col(ROW) < row)) for when, row in bounds]
    return {
        "train": frame.filter(before[0]),
        "valid": frame.filter(~before[0] & before[1]),
        "test": frame.filter(~before[1]),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m embedstudy.sources.table_file",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", required=True, help="what the data set is to be called")
    parser.add_argument("--label", required=True, help="column: 1 is a click, 0 is none")
    parser.add_argument("--fields", help="columns, separated by commas; else all others")
    parser.add_argument("--split", default="random", help="random or time:COLUMN")
    parser.add_argument("--min-count", type=int, default=2, help="rarer values share a row")
    parser.add_argument("--seed", type=int, default=0, help="of the random split")
    parser.add_argument("--events", type=int, help="take a random sample of that many")
    parser.add_argument("--positive-from", type=float, help="labels from here up are positive")
    parser.add_argument("--delimiter", help="of a text file; else a comma, in .tsv a tab")
    options = vars(parser.parse_args(arguments))
    file, name, fields = (options.pop(key) for key in ("file", "name", "fields"))
    try:
        check_free(name, taken_names(), "clicks")
        folder = paths.PREPARED / name
        spec = prepare(file, folder, fields=fields and fields.split(","), **options)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sizes = ", ".join(f"{part} {count:,}" for part, count in spec["events"].items())
    print(f"{name} is prepared in {folder}: {len(spec['fields'])} fields; {sizes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
