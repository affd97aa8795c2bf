"""Prepared click-through data as tensors on the device."""

import functools
import itertools
import json
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.tables.core.base import TableSpec

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Events of one split: ``ids`` int64 [N, F] global ids, ``labels`` fp32 [N], ``unseen`` bool
    [N]: the event holds a value that never occurs in training."""

    ids: Tensor
    labels: Tensor
    unseen: Tensor

    def to(self, device: str) -> "Split":
        return Split(self.ids.to(device), self.labels.to(device), self.unseen.to(device))


@dataclass(frozen=True)
class CtrData:
    """A click-through data set, ids offset so that the fields' ranges do not overlap."""

    name: str
    fields: tuple[str, ...]
    field_rows: tuple[int, ...]
    counts: Tensor  # int64 [rows], training frequency of each global id, on the CPU
    train: Split
    valid: Split
    test: Split

    def spec(self, dim: int, init_std: float) -> TableSpec:
        return TableSpec(self.field_rows, dim, self.counts, init_std)


def _encode(columns: dict[str, np.ndarray], train: int, min_count: int) -> tuple[np.ndarray, list]:
    """Re-number each column by descending frequency in its first ``train`` entries.

    Returns local ids [N, F] (0 = rarer than ``min_count``) and the rows of each field.
    """
    encoded, rows = [], []
    for values in columns.values():
        counts = np.bincount(values[:train], minlength=int(values.max()) + 1)
        order = np.argsort(-counts, kind="stable")
        kept = int((counts >= min_count).sum())
        new = np.zeros(len(counts), np.int64)
        new[order[:kept]] = np.arange(1, kept + 1)
        encoded.append(new[values])
        rows.append(kept + 1)
    return np.stack(encoded, 1), rows


def _sample(frames: dict[str, pl.DataFrame], events: int) -> dict[str, pl.DataFrame]:
    """A random subset of ``events`` events, each split in proportion, in the original order."""
    total = sum(map(len, frames.values()))
    sampled = {}
    for name, frame in frames.items():
        size = len(frame) * events // total
        rows = numpy_generator(0, "sample", name).choice(len(frame), size, replace=False)
        sampled[name] = frame[np.sort(rows)]
    return sampled


def _subsample(frames: dict[str, pl.DataFrame], fields: list[str], events: int, min_count: int):
    """Events of a smaller study: the vocabulary is that of the sampled training split."""
    frames = _sample(frames, events)
    whole = pl.concat(frames.values())
    columns = {field: whole[field].to_numpy().astype(np.int64) for field in fields}
    train = len(frames["train"])
    ids, rows = _encode(columns, train, min_count)
    # An id that was already out of the vocabulary stays known or unknown as it was recorded.
    unseen = whole["unseen"].to_numpy().copy()
    for values in columns.values():
        unseen |= np.bincount(values[:train], minlength=int(values.max()) + 1)[values] == 0
    return ids, rows, whole["label"].to_numpy(), unseen, [len(f) for f in frames.values()]


def _whole(frames: dict[str, pl.DataFrame], fields: list[str], rows: list[int]):
    whole = pl.concat(frames.values())
    ids = np.stack([whole[field].to_numpy().astype(np.int64) for field in fields], 1)
    sizes = [len(frame) for frame in frames.values()]
    return ids, rows, whole["label"].to_numpy(), whole["unseen"].to_numpy(), sizes


def is_prepared(name: str) -> bool:
    """Whether ``load_ctr`` finds the data set."""
    return (paths.PREPARED / name / "spec.json").is_file()


@functools.lru_cache(maxsize=2)
def load_ctr(
    name: str, events: int | None = None, min_count: int = 2, device: str = "cpu"
) -> CtrData:
    """Read ``results/prepared/<name>`` onto ``device``.

    ``events``: if given, a fixed random subset of that many events is taken and the vocabulary is
    built anew from its training part (values rarer than ``min_count`` share their field's
    out-of-vocabulary row). Loaded sets are kept, so that a worker reads each once.
    """
    folder = paths.PREPARED / name
    if not is_prepared(name):
        raise StudyError(
            f"Data set '{name}' is not prepared: {folder.relative_to(paths.PREPARED.parents[1])} has no "
            "spec.json; run `dvc repro` for the bundled sets, or the loader of the official files."
        )
    described = json.loads((folder / "spec.json").read_text())["fields"]
    fields = [field["name"] for field in described]
    frames = {split: pl.read_parquet(folder / f"{split}.parquet") for split in SPLITS}
    total = sum(map(len, frames.values()))
    if events is not None and events < total:
        parts = _subsample(frames, fields, events, min_count)
    else:
        parts = _whole(frames, fields, [field["rows"] for field in described])
    ids, rows, labels, unseen, sizes = parts
    ids += np.cumsum([0, *rows[:-1]])
    bounds = np.cumsum([0, *sizes])
    splits = [
        Split(
            torch.from_numpy(ids[low:high]),
            torch.from_numpy(labels[low:high].astype(np.float32)),
            torch.from_numpy(unseen[low:high]),
        ).to(device)
        for low, high in itertools.pairwise(bounds)
    ]
    counts = np.bincount(ids[: sizes[0]].ravel(), minlength=sum(rows))
    return CtrData(name, tuple(fields), tuple(rows), torch.from_numpy(counts), *splits)
