"""The trained full table of a seed is trained once, whoever asks, and never read damaged."""

from dataclasses import replace

import torch

from embedstudy.core import paths
from embedstudy.study.engine.store import digest
from embedstudy.study.tables.full_table import full_table
from embedstudy.study.tables.run import shares, work
from embedstudy.study.tables.train import Fit, Uncompressed
from embedstudy.study.tables.types import TableRun, TrainConfig

FIT = Fit("full", 3, 2, 0.5, 1.25, 4096)


def uncompressed(value=1.0):
    return Uncompressed(torch.full((4, 2), value), {"output.bias": torch.tensor([value])}, FIT)


def end(run):
    return work(
        replace(run, shared={"full": digest(shares(run)["full"][0])}), lambda fraction, words: None
    )


def recorded():
    return sorted((paths.RUNS.parent / "trained").glob("*.safetensors"))


def test_it_is_trained_once_and_comes_back_equal(project):
    asked = []

    def train():
        asked.append(1)
        return uncompressed()

    first, second = (full_table("a", train) for _ in range(2))
    assert asked == [1]
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(second.backbone["output.bias"], torch.tensor([1.0]))
    assert second.fit == FIT
    full_table("b", train)
    assert asked == [1, 1]


def test_a_damaged_record_is_trained_again(project):
    full_table("a", uncompressed)
    recorded()[0].write_bytes(b"half a file")
    assert full_table("a", lambda: uncompressed(2.0)).weight[0, 0] == 2
    assert full_table("a", uncompressed).weight[0, 0] == 2


def test_without_a_key_nothing_is_kept(project):
    assert full_table("", uncompressed).fit == FIT
    assert recorded() == []


def test_methods_that_start_from_it_share_one_training(prepared):
    run = TableRun(
        dataset="toy", backbone="dcnv2", backbone_options={"hidden": [16]}, family="fewer_bits",
        method="rowwise", label="int8", options={"bits": 8}, budget=0.9, seed=0, dim=8,
        init_std=0.05, train=TrainConfig(batch=128, lr=0.01, epochs=3),
    )  # fmt: skip
    full = replace(run, family="reference", method="full", options={}, budget=1.0)
    assert shares(run)["full"] == shares(full)["full"]
    # Dropout in the phase after: the first run trains the full table, the last one reads it.
    dedup = replace(
        run,
        family="sharing_rows",
        method="dedup",
        options={"block": 2},
        backbone_options={"hidden": [16], "dropout": 0.5},
    )
    assert shares(dedup)["full"] != shares(run)["full"]
    tuned = [end(dedup).result for _ in range(2)]
    assert tuned[0] == tuned[1]
    recorded()[0].unlink()
    results = [end(one).result for one in (run, full, run)]
    assert len(recorded()) == 1
    assert results[0] == results[2]
    assert results[0]["phases"] == results[1]["phases"] == f"full {results[0]['epochs']}"
    assert results[0]["train_bytes"] == results[1]["train_bytes"]
    end(replace(full, train=replace(full.train, lr=0.02)))
    assert len(recorded()) == 2
