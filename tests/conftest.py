"""What several test modules share: a tiny prepared data set, a scratch project."""

import json
from pathlib import Path

import nbformat
import numpy as np
import polars as pl
import pytest
import torch
import yaml

from embedstudy.core import paths

torch.set_num_threads(1)
TOYS = Path(__file__).parent / "toys"  # workers import fake_work by name


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
    spec = {
        "name": folder.name,
        "kind": "clicks",
        "fields": fields,
        "events": sizes,
        "min_count": 1,
    }
    (folder / "spec.json").write_text(json.dumps(spec, sort_keys=True))


def pytest_collection_modifyitems(items):
    """The pipeline first, what is done with its finished run last, so that it need not wait.

    Files are given to workers in this order.
    """
    turns = {"test_pipeline.py": -1, "test_pipeline_by_hand.py": 1, "test_pipeline_stages.py": 2}
    items.sort(key=lambda item: turns.get(item.path.name, 0))


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The name of a prepared data set in a scratch folder that ``load_ctr`` reads from."""
    from embedstudy.study.tables import data

    write_prepared(tmp_path / "project" / "results" / "prepared" / "toy")
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "project" / "results" / "prepared")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "project" / ".cache" / "runs")
    data.load_ctr.cache_clear()
    yield "toy"
    data.load_ctr.cache_clear()


CATALOGUE = {"chapters": {"tables": {"demo": {"notebook": "tables/10-demo", "own": "all"}}}}
SEEDS = {"movielens": [0]}  # of the default data set; the grids of tests are on "toy"
PARAMS = {
    "profile": "smoke",
    "device": "cpu",
    "workers": 1,
    "smoke": {"tables": {"all": {"budgets": [0.5], "seeds": SEEDS | {"toy": [0, 1]}}}},
    "quick": {"tables": {"all": {"budgets": [0.5, 0.1], "seeds": SEEDS | {"toy": [0]}}}},
    "full": {"tables": {"all": {}}},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The root of an empty project with PARAMS and the one chapter of CATALOGUE; the library points
    at it."""
    root = tmp_path / "scratch"
    (root / "notebooks" / "tables").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    (root / "notebooks" / "chapters.yaml").write_text(yaml.safe_dump(CATALOGUE))
    for name, folder in (
        ("ROOT", root),
        ("RESULTS", root / "results"),
        ("REPORTS", root / "reports"),
        ("PREPARED", root / "results" / "prepared"),
        ("RUNS", root / ".cache" / "runs"),
        ("NOTEBOOKS", root / "notebooks"),
    ):
        monkeypatch.setattr(paths, name, folder)
    monkeypatch.setenv("EMBEDSTUDY_ROOT", str(root))
    monkeypatch.setenv("EMBEDSTUDY_PIPELINE", "1")
    monkeypatch.setenv("FAKE_WORK_LOG", str(root / "log"))
    monkeypatch.setenv("PYTHONPATH", str(TOYS))
    return root


@pytest.fixture
def write_notebook(project):
    """Writes a chapter of code cells; the first is its parameters cell, or none when it is None."""

    def write(chapter, cells):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        notebook.cells = [nbformat.v4.new_code_cell(source or "") for source in cells]
        if cells[0] is not None:
            notebook.cells[0].metadata.tags = ["parameters"]
        nbformat.write(notebook, project / "notebooks" / f"{chapter}.ipynb")

    return write
