"""Prepared click-through data as tensors on the device."""

import functools
import json
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
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
    groups: np.ndarray | None = None  # whose each test event is, where events come in clusters

    def spec(self, dim: int, init_std: float) -> TableSpec:
        return TableSpec(self.field_rows, dim, self.counts, init_std)


def is_prepared(name: str) -> bool:
    """Whether ``load_ctr`` finds the data set."""
    return (paths.PREPARED / name / "spec.json").is_file()


@functools.lru_cache(maxsize=2)
def load_ctr(name: str, device: str = "cpu") -> CtrData:
    """Read ``results/prepared/<name>`` onto ``device``.

    Loaded sets are kept, so that a worker reads each once. Raises ``StudyError`` where there is none.
    """
    folder = paths.PREPARED / name
    if not is_prepared(name):
        raise StudyError(
            f"Data set '{name}' is not prepared: {folder.relative_to(paths.PREPARED.parents[1])} has no "
            "spec.json; run `dvc repro` for the bundled sets, or the loader of the official files."
        )
    described = json.loads((folder / "spec.json").read_text())["fields"]
    fields, rows = zip(*((field["name"], field["rows"]) for field in described), strict=True)
    starts = np.cumsum([0, *rows[:-1]])
    frames = [pl.read_parquet(folder / f"{split}.parquet") for split in SPLITS]
    splits = [_split(frame, fields, starts) for frame in frames]
    counts = np.bincount(splits[0].ids.numpy().ravel(), minlength=sum(rows))
    on_device = [split.to(device) for split in splits]
    groups = frames[2]["group"].to_numpy() if "group" in frames[2].columns else None
    return CtrData(name, fields, rows, torch.from_numpy(counts), *on_device, groups)


def _split(frame: pl.DataFrame, fields: tuple[str, ...], starts: np.ndarray) -> Split:
    """A prepared split as tensors; ``starts``: the first global id of each field."""
    ids = np.stack([frame[field].to_numpy().astype(np.int64) for field in fields], 1) + starts
    return Split(
        torch.from_numpy(ids),
        torch.from_numpy(frame["label"].to_numpy().astype(np.float32)),
        torch.from_numpy(frame["unseen"].to_numpy().copy()),
    )
