"""What several test modules share: a tiny prepared data set with a pattern that can be learned."""

import json

import numpy as np
import polars as pl
import pytest
import torch

torch.set_num_threads(1)


def write_prepared(folder, events=2000, rows=(41, 31, 5), seed=0):
    """Click-through events whose label depends on the parity of the first two ids."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    names = [f"field{i}" for i in range(len(rows))]
    sizes = {"train": events, "valid": events // 4, "test": events // 4}
    for split, size in sizes.items():
        # Skewed like real ids, and ordered by frequency: id 1 is the most frequent.
        columns = {
            name: np.minimum(rng.geometric(min(0.5, 6 / n), size), n - 1).astype(np.uint32)
            for name, n in zip(names, rows, strict=True)
        }
        odd = (columns["field0"] + columns["field1"]) % 2
        label = (rng.random(size) < 0.15 + 0.7 * odd).astype(np.uint8)
        frame = pl.DataFrame({"label": label} | columns)
        frame = frame.with_columns(
            unseen=pl.lit(False) if split == "train" else pl.col("field0") > 30
        )
        frame.write_parquet(folder / f"{split}.parquet")
    fields = [{"name": n, "rows": r} for n, r in zip(names, rows, strict=True)]
    spec = {"name": folder.name, "fields": fields, "events": sizes, "min_count": 1}
    (folder / "spec.json").write_text(json.dumps(spec, sort_keys=True))


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The name of a prepared data set in a scratch folder that ``load_ctr`` reads from."""
    from embedstudy import paths
    from embedstudy.study import data

    write_prepared(tmp_path / "project" / "results" / "prepared" / "toy")
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "project" / "results" / "prepared")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "project" / ".cache" / "runs")
    data.load_ctr.cache_clear()
    yield "toy"
    data.load_ctr.cache_clear()
