"""Phases that do not depend on the budget are trained once, and change no row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import embedstudy.tables
from embedstudy.core import paths
from embedstudy.study.engine.store import digest
from embedstudy.study.tables.data import SPLITS
from embedstudy.study.tables.run import shares, work
from embedstudy.study.tables.types import TableRun, TrainConfig

# Method -> its family, its options, and how many of its phases are the same for every budget.
SEARCHES = {
    "dnis": ("fewer_dimensions", {"blocks": 3}, 1),
    "autosrh": ("fewer_dimensions", {"blocks": 3}, 1),
    "autodim": ("fewer_dimensions", {"search_epochs": 1}, 1),
    "optembed": ("fewer_dimensions", {"search_epochs": 1, "population": 3, "generations": 1}, 1),
    "autosrh_sparse": ("fewer_nonzeros", {"blocks": 3}, 2),
    "optembed_e": ("fewer_nonzeros", {"search_epochs": 1}, 1),
}


@pytest.fixture
def ordered(prepared):
    """``prepared`` with the ids of each field in order of descending frequency, as real data are."""
    files = {name: paths.PREPARED / prepared / f"{name}.parquet" for name in SPLITS}
    frames = {name: pl.read_parquet(path) for name, path in files.items()}
    for field in (name for name in frames["train"].columns if name.startswith("field")):
        often = np.bincount(frames["train"][field], minlength=64)[1:]
        new = np.zeros(64, np.uint32)
        new[1 + np.argsort(-often, kind="stable")] = np.arange(1, 64)
        for name, frame in frames.items():
            frames[name] = frame.with_columns(pl.Series(field, new[frame[field]]))
    for name, frame in frames.items():
        frame.write_parquet(files[name])
    return prepared


def end(run, shared):
    return work(replace(run, shared=shared), lambda fraction, words: None)


def by_name(run):
    return {name: digest(what) for name, (what, _) in shares(run).items()}


def kept(name):
    return list((paths.RUNS.parent / "trained").glob(f"{name}-*.safetensors"))


def test_every_method_with_such_a_phase_is_a_case():
    folder = Path(embedstudy.tables.__file__).parent
    found = [path for path in folder.rglob("*.py") if "any_budget=True" in path.read_text()]
    assert {f"{path.parent.name}/{path.stem}" for path in found} == {
        "fewer_dimensions/dnis", "fewer_dimensions/autosrh", "fewer_dimensions/autodim",
        "fewer_dimensions/optembed", "fewer_nonzeros/autosrh",
    }  # fmt: skip


@pytest.mark.parametrize("method", SEARCHES)
def test_a_search_is_trained_once_for_all_budgets_and_changes_no_row(method, ordered):
    family, options, phases = SEARCHES[method]
    run = TableRun(
        dataset="toy", backbone="dcnv2", backbone_options={"hidden": [16], "dropout": 0.3},
        family=family, method=method, label=method, options=options, budget=0.9, seed=0, dim=8,
        init_std=0.05, train=TrainConfig(batch=128, lr=0.01, epochs=2),
    )  # fmt: skip
    small = replace(run, budget=0.5)
    assert by_name(run) == by_name(small)
    alone = [end(one, {}) for one in (run, small)]
    together = [end(one, by_name(run)) for one in (run, small)]
    assert len(kept(by_name(run)["phases"])) == phases
    for one, other in zip(alone, together, strict=True):
        assert one.result == other.result
        assert one.arrays["test"].tobytes() == other.arrays["test"].tobytes()
        assert one.files == other.files
    assert alone[0].arrays["test"].tobytes() != alone[1].arrays["test"].tobytes()


def test_another_seed_or_option_is_another_training(prepared):
    run = TableRun(
        dataset="toy", backbone="dcnv2", family="fewer_dimensions", method="dnis", label="DNIS",
        budget=0.9, seed=0,
    )  # fmt: skip
    for other in (replace(run, seed=1), replace(run, options={"blocks": 3})):
        assert by_name(run)["phases"] != by_name(other)["phases"]
