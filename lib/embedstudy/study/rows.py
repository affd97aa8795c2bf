"""From recorded runs to the files of a chapter: rows, scores, artefacts, times."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.errors import StudyError
from embedstudy.study import atomic
from embedstudy.study.outcome import Finished
from embedstudy.study.store import RunStore


def flatten(values: dict, prefix: str = "") -> dict:
    """Nested maps as dotted names, lists as JSON text."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(value) if isinstance(value, list) else value
    return flat


def row(key: str, run: dict, finished: Finished) -> dict:
    """The deterministic row of a run: identity, result, status, error."""
    identity, result = {"key": key} | flatten(run), flatten(finished.outcome.result)
    ending = {"status": finished.status, "error": finished.error}
    twice = (identity.keys() & result.keys()) | (ending.keys() & (identity | result).keys())
    if twice:
        raise StudyError(f"A run and its result both name a column '{min(twice)}': rename one.")
    return identity | result | ending


def _column(name: str, values: list) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pl.Series(name, values, pl.Float64, strict=False)
    if len(kinds) > 1:
        values = [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(name, values, None if kinds else pl.String)


def frame(rows: list[dict]) -> pl.DataFrame:
    """A frame with the union of the rows' columns, each in the order of first appearance.

    Columns that mix whole and other numbers are Float64; other mixtures are text.
    """
    ends = [name for name in ("status", "error") if rows and name in rows[0]]
    names = dict.fromkeys(name for one in rows for name in one if name not in ends)
    return pl.DataFrame([_column(n, [one.get(n) for one in rows]) for n in [*names, *ends]])


def score_frame(scores: dict[str, np.ndarray]) -> pl.DataFrame:
    """One Float32 column a key; shorter ones (smaller data sets) end in nulls."""
    length = max(map(len, scores.values()), default=0)
    return pl.DataFrame(
        [
            pl.Series(key, array.astype(np.float32)).extend_constant(None, length - len(array))
            for key, array in scores.items()
        ]
    )


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    with atomic.replacing(path) as scratch:
        frame.write_parquet(scratch)


def write_artefacts(store: RunStore, keys: Iterable[tuple[str, str]], folder: Path) -> None:
    """Fill ``folder`` with the artefacts of the (name, key in the store) pairs, and nothing else.

    A run's only artefact ``table.safetensors`` becomes ``<name>.safetensors``; of several, each
    becomes ``<name>-<its file name>``.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, key in keys:
        files = store.files(key)
        for file in files:
            target = name + Path(file).suffix if len(files) == 1 else f"{name}-{file}"
            store.extract(key, file, fresh / target)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
