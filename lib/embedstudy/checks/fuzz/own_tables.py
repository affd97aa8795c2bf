"""Hostile tables of a user's own: CSV, TSV, gzip and Parquet files, with any options."""

import csv
import datetime
import functools
import gzip
import io
import json
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from embedstudy.checks.fuzz import mutations
from embedstudy.checks.fuzz.clicks import check_clicks
from embedstudy.checks.fuzz.judge import Case, Fault, Target, command
from embedstudy.checks.fuzz.mutations import damaged, table_files
from embedstudy.checks.fuzz.settings_files import project
from embedstudy.sources import table_file

ROWS = [
    (i % 2, f"user{i % 7}", i % 3, f"2024-01-{1 + i % 28:02}", "" if i % 5 else 'a, "b"', i / 4)
    for i in range(60)
]
COLUMNS = ["clicked", "user", "shop", "day", "note", "price"]
ARGUMENTS = "arguments.json"  # of the command, beside the table

# Options as a shell can pass them: no zero bytes, no lone surrogates.
_words = st.sampled_from([text for text in mutations.TEXTS if "\0" not in text] + COLUMNS)
_numbers = st.sampled_from(
    [str(number) for number in mutations.NUMBERS[:-1]] + ["nan", "0.5", "inf"]
)
_option = st.one_of(
    st.sampled_from(["--split=time:day", "--split=time:price", "--positive-from=1"]),
    st.tuples(st.sampled_from(["min-count", "seed", "events", "positive-from"]), _numbers),
    st.tuples(st.sampled_from(["split", "fields", "delimiter", "label", "name"]), _words),
).map(lambda one: one if isinstance(one, str) else f"--{one[0]}={one[1]}")
options = st.one_of(st.just([]), st.lists(_option, max_size=2)).map(
    lambda o: json.dumps(o).encode()
)


def _text(separator: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\n").writerows([COLUMNS, *ROWS])
    return buffer.getvalue()


@st.composite
def text_cases(draw: mutations.Draw) -> Case:
    name, separator = draw(st.sampled_from([("a.csv", ","), ("a.tsv", "\t"), ("a.csv.gz", ",")]))
    changed = draw(
        st.one_of(table_files(_text(separator), separator), st.just(_text(separator).encode()))
    )
    if name.endswith(".gz"):
        changed = gzip.compress(changed, mtime=0)
        changed = draw(st.one_of(st.just(changed), damaged(changed)))
    return Case({name: changed, ARGUMENTS: draw(options)})


@functools.cache
def _odd_columns() -> dict[str, pl.Series]:
    """Columns of every kind that Parquet knows, to stand in the place of another."""
    n = len(ROWS)
    day = datetime.date(2024, 1, 1)
    values = {
        "floats": pl.Series([0.0, float("nan"), float("inf")] * (n // 3)),
        "nulls": pl.Series([None] * n),
        "true": pl.Series([True, False] * (n // 2)),
        "bytes": pl.Series([b"\xff", b""] * (n // 2)),
        "lists": pl.Series([[1], []] * (n // 2)),
        "maps": pl.Series([{"a": 1}] * n),
        "days": pl.Series([day, None] * (n // 2)),
        "times": pl.Series([datetime.timedelta(1)] * n),
        "categories": pl.Series(["a", "b"] * (n // 2), dtype=pl.Categorical),
        "decimals": pl.Series(["1", "0"] * (n // 2)).cast(pl.Decimal(10, 2)),
        "wide": pl.Series([2**63, 2**64 - 1] * (n // 2), dtype=pl.UInt64),
        "huge": pl.Series([2**100, -1] * (n // 2), dtype=pl.Int128),
    }
    return {name: series.alias(name) for name, series in values.items()}


def _parquet(frame: pl.DataFrame, compression: str) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression=compression)
    return buffer.getvalue()


def _valid(name: str) -> Case:
    frame = pl.DataFrame(ROWS, COLUMNS, orient="row")
    content = _text(",").encode() if name == "a.csv" else _parquet(frame, "zstd")
    return Case({name: content, ARGUMENTS: b"[]"})


@st.composite
def parquet_cases(draw: mutations.Draw) -> Case:
    frame = pl.DataFrame(ROWS, COLUMNS, orient="row")
    for _ in range(draw(st.integers(0, 2))):
        column = draw(st.sampled_from(COLUMNS))
        odd = _odd_columns()[draw(st.sampled_from(sorted(_odd_columns())))]
        frame = frame.with_columns(odd.alias(column))
    if draw(st.booleans()):
        frame = frame.rename({"note": draw(_words.filter(lambda name: name not in COLUMNS))})
    frame = frame.head(draw(st.sampled_from([60, 60, 60, 3, 1, 0])))
    content = _parquet(frame, draw(st.sampled_from(["zstd", "uncompressed"])))
    content = draw(st.one_of(st.just(content), damaged(content)))
    return Case({"a.parquet": content, ARGUMENTS: draw(options)})


def run(case: Case, given: Path, out: Path) -> set[str]:
    """As a command, into a folder of prepared sets of its own."""
    [file] = [name for name in case if name != ARGUMENTS]
    arguments = json.loads(case[ARGUMENTS])
    named = [one.partition("=")[2] for one in arguments if one.startswith("--name=")]
    with project(PREPARED=out):
        base = [str(given / file), "--name=shop", "--label=clicked"]
        command(table_file.main, [*base, *arguments])
    name = named[-1] if named else "shop"
    spec = check_clicks(out / name)
    if file.endswith((".csv", ".tsv")) and not any("--events" in one for one in arguments):
        delimiter = [one.partition("=")[2] for one in arguments if one.startswith("--delimiter=")]
        delimiter = "".join(delimiter[-1:]) or ("\t" if file.endswith(".tsv") else ",")
        rows = list(
            csv.reader(io.StringIO(case[file].decode("utf-8-sig"), newline=""), delimiter=delimiter)
        )
        if sum(spec["events"].values()) != len(rows) - 1:
            raise Fault(f"{len(rows) - 1} rows became {spec['events']}.")
    return {name}


TARGETS = (
    Target("own table, text", lambda: _valid("a.csv"), text_cases, run, 120),
    Target("own table, Parquet", lambda: _valid("a.parquet"), parquet_cases, run, 80),
)
