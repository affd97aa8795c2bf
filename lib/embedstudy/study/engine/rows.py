"""From recorded runs to the files of a chapter: rows, scores, artefacts, times."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core import files
from embedstudy.core.errors import StudyError
from embedstudy.study.engine.store import RunStore


def flatten(values: dict, prefix: str = "") -> dict:
    """Nested maps as dotted names, lists as JSON text."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(value) if isinstance(value, list | tuple) else value
    return flat


def _column(name: str, values: list) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pl.Series(name, values, pl.Float64, strict=False)
    if len(kinds) > 1:
        values = [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(name, values, None if kinds else pl.String)


def frame(*groups: list[dict]) -> pl.DataFrame:
    """A frame whose row i is the i-th dict of each group; a group's columns stand together.

    Within a group, columns stand in the order of first appearance. Those that mix whole and other
    numbers are Float64; other mixtures are text. Raises ``StudyError`` when two groups share one.
    """
    columns: list[pl.Series] = []
    for group in groups:
        names = list(dict.fromkeys(name for one in group for name in one))
        twice = {column.name for column in columns} & set(names)
        if twice:
            raise StudyError(f"Two parts of a run name a column '{min(twice)}': rename one.")
        columns += [_column(name, [one.get(name) for one in group]) for name in names]
    return pl.DataFrame(columns)


def array_frame(arrays: dict[str, np.ndarray], dtype: str) -> pl.DataFrame:
    """One column of ``dtype`` a name; shorter ones (smaller data sets) end in nulls."""
    length = max(map(len, arrays.values()), default=0)
    return pl.DataFrame(
        [
            pl.Series(name, array.astype(dtype)).extend_constant(None, length - len(array))
            for name, array in arrays.items()
        ]
    )


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    with files.replacing(path) as scratch:
        frame.write_parquet(scratch)


def write_artefacts(store: RunStore, keys: Iterable[tuple[str, str]], folder: Path) -> None:
    """Fill ``folder`` with the artefacts of the (name, key in the store) pairs, and nothing else.

    A run's only artefact ``table.safetensors`` becomes ``<name>.safetensors``; of several, each
    becomes ``<name>-<its file name>``.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    with files.writing(folder):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, key in keys:
            artefacts = store.files(key)
            for file in artefacts:
                target = name + Path(file).suffix if len(artefacts) == 1 else f"{name}-{file}"
                store.extract(key, file, fresh / target)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
