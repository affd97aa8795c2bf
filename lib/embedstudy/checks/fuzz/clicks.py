"""Hostile official files of click-through sets, and what a prepared set must be."""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from embedstudy.checks.fuzz.judge import Case, Fault, Run, Target, command
from embedstudy.checks.fuzz.mutations import damaged, table_files
from embedstudy.sources import avazu, frappe, official
from embedstudy.sources.core.ctr import read_spec

EVENTS = 60


def check_clicks(folder: Path) -> dict:
    """Raise ``Fault`` unless ``folder`` holds what its specification says; return that."""
    spec = read_spec(folder)
    for split, events in spec["events"].items():
        frame = pl.read_parquet(folder / f"{split}.parquet")
        wanted = ["label", *(field["name"] for field in spec["fields"]), "unseen"]
        wanted += ["group"] if spec["group"] else []
        if frame.columns != wanted or frame.height != events or not events:
            raise Fault(f"{split} is {frame.shape} {frame.columns}, not {events} of {wanted}.")
        if frame["label"].max() > 1 or any(frame[name].null_count() for name in wanted):
            raise Fault(f"{split} holds labels or ids that are none.")
        for field in spec["fields"]:
            if frame[field["name"]].max() >= field["rows"]:
                raise Fault(f"{split} holds an id of {field['name']} beyond its rows.")
    return spec


# -- valid files ----------------------------------------------------------------------------------
def _lines(rows: list[list], separator: str) -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def criteo_text() -> str:
    rng = random.Random(0)
    counts, hashes = ["", "-1", "0", "2", "57", "1382"], ["", "68fd1e64", "80e26c9b"]
    rows = [
        [i % 2, *(rng.choice(counts) for _ in range(13)), *(rng.choice(hashes) for _ in range(26))]
        for i in range(EVENTS)
    ]
    return _lines(rows, "\t")


def avazu_text() -> str:
    rest = [1005, 0, *["1fbe01fe"] * 9, 1, 2, 15706, 320, 50, 1722, 0, 35, -1, 79]
    rows = [[10**18 + i, i % 2, 14102100 + i % 24, *rest] for i in range(EVENTS)]
    return _lines([avazu.HEADER, *rows], ",")


def kdd12_text() -> str:
    url = 2**64 - 1
    rows = [
        [i % 2, 1 + i % 5, url - i % 2, i % 7, 9, 2, 1, i, 3, 4, 5, i % 11] for i in range(EVENTS)
    ]
    return _lines(rows, "\t")


def movielens_1m() -> dict[str, str]:
    ratings = [[1 + i % 5, 10 + i % 3, 1 + i % 5, 97830] for i in range(100)]
    users = [[user, "FM"[user % 2], 25, user, f"{user:05}"] for user in range(1, 6)]
    movies = [[10, "Les (1995)", "Drama"], [11, "Alien: a (1979)", "Horror"], [12, "Ed", "Drama"]]
    tables = {"ratings.dat": ratings, "users.dat": users, "movies.dat": movies}
    return {name: _lines(rows, "::") for name, rows in tables.items()}


def movielens_20m() -> dict[str, str]:
    ratings = [[1 + i % 5, 10 + i % 3, 0.5 + i % 5, 97830] for i in range(100)]
    movies = [[10, '"Les, (1995)"', "Drama"], [11, "A (1979)", "Horror"], [12, "Ed", "Drama"]]
    return {
        "ratings.csv": _lines([["userId", "movieId", "rating", "timestamp"], *ratings], ","),
        "movies.csv": _lines([["movieId", "title", "genres"], *movies], ","),
    }


def frappe_csv() -> dict[str, str]:
    header = ["label", *frappe.FIELDS]
    rows = [[i % 2, *(start + i % 2 for start in frappe.OFFSETS)] for i in range(20)]
    return dict.fromkeys(frappe.FILES, _lines([header, *rows], ","))


def frappe_raw() -> dict[str, str]:
    """Fifteen uses of five apps in the log; a use and a negative in either held-out split."""
    log = [
        frappe.FIELDS,
        *([f"u{i % 3}", f"a{i % 3 + i // 3 % 3}", *["x"] * 8] for i in range(15)),
    ]
    held = [[1, 0, 957, *frappe.OFFSETS[2:]], [0, 0, 960, *frappe.OFFSETS[2:]]]
    lines = [[row[0], *(f"{value}:1" for value in row[1:])] for row in held]
    return {"log": _lines(log, "\t"), **dict.fromkeys(frappe.RAW_FILES[1:], _lines(lines, " "))}


GOWALLA = {
    "train.txt": "0 1 2 3\n1 2\n2\n",
    "valid.txt": "0 5\n1 3 0\n2 2\n",
    "test.txt": "0 4\n2 1\n",
}


# -- cases ----------------------------------------------------------------------------------------
def whole(files: dict[str, str]) -> Case:
    """The files as they are."""
    return Case({name: text.encode() for name, text in files.items()})


def one_changed(files: dict[str, str], separator: str) -> st.SearchStrategy[Case]:
    """The files with one of them changed or missing."""

    def with_one(name: str) -> st.SearchStrategy[Case]:
        changed = st.one_of(table_files(files[name], separator), st.sampled_from([b"", None]))
        return changed.map(lambda content: Case(whole(files) | {name: content}))

    return st.sampled_from(sorted(files)).flatmap(with_one)


def _packed(case: Case) -> Case:
    """The raw release: the log in its zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(frappe.LOG), case["log"] or b"")
    rest = {name: content for name, content in case.items() if name != "log"}
    return Case(rest | {frappe.RAW_FILES[0]: buffer.getvalue()})


def _raw_frappe() -> st.SearchStrategy[Case]:
    archive = frappe.RAW_FILES[0]
    valid = _packed(whole(frappe_raw()))
    broken = damaged(valid[archive]).map(lambda content: Case(valid | {archive: content}))
    return st.one_of(one_changed(frappe_raw(), "\t").map(_packed), broken)


def _loader(name: str, **options) -> Run:
    """Run the loader as a command, or by its function where the published checksum is left out."""

    def run(case: Case, given: Path, out: Path) -> set[str]:
        if options:
            official.prepare(name, given, out / name, **options)
        else:
            command(official.main, [name, f"--from={given}", f"--out={out / name}"])
        if name == "gowalla":
            _check_interactions(out / name)
        else:
            check_clicks(out / name)
        return {name}

    return run


def _check_interactions(folder: Path) -> None:
    spec = read_spec(folder)
    for split, events in spec["events"].items():
        frame = pl.read_parquet(folder / f"{split}.parquet")
        if frame.height != events or frame.null_count().sum_horizontal()[0]:
            raise Fault(f"{split} of gowalla is {frame.shape} with nulls, not {events} events.")


def _target(name: str, files: Callable[[], dict[str, str]], separator: str, **options) -> Target:
    """A loader that reads text files, one of which is changed."""
    return Target(
        name,
        lambda: whole(files()),
        lambda: one_changed(files(), separator),
        _loader(name, **options),
        40,
    )


_NO_MD5 = {"md5": dict.fromkeys(frappe.MD5)}
TARGETS = (
    _target("criteo", lambda: {"train.txt": criteo_text()}, "\t"),
    _target("avazu", lambda: {"train": avazu_text()}, ","),
    _target("kdd12", lambda: {"training.txt": kdd12_text()}, "\t"),
    _target("movielens-1m", movielens_1m, "::"),
    _target("movielens-20m", movielens_20m, ","),
    _target("frappe", frappe_csv, ",", **_NO_MD5),
    _target("gowalla", lambda: GOWALLA, " ", test_md5=None),
    Target(
        "frappe, raw log",
        lambda: _packed(whole(frappe_raw())),
        _raw_frappe,
        _loader("frappe", **_NO_MD5),
        30,
    ),
)
