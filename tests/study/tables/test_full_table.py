"""The trained full table of a seed is trained once, whoever asks, and never read damaged."""

import torch

from embedstudy.core import paths
from embedstudy.study.tables.full_table import load_or_train
from embedstudy.study.tables.run import work
from embedstudy.study.tables.train import Fit, Uncompressed

FIT = Fit("full", 3, 2, 0.5, 1.25, 4096)


def uncompressed(value=1.0):
    return Uncompressed(torch.full((4, 2), value), {"output.bias": torch.tensor([value])}, FIT)


def recorded():
    return sorted((paths.RUNS.parent / "trained").glob("*.safetensors"))


def test_it_is_trained_once_and_comes_back_equal(project):
    asked = []

    def train():
        asked.append(1)
        return uncompressed()

    first, second = (load_or_train({"seed": 0}, train) for _ in range(2))
    assert asked == [1]
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(second.backbone["output.bias"], torch.tensor([1.0]))
    assert second.fit == FIT
    load_or_train({"seed": 1}, train)
    assert asked == [1, 1]


def test_a_damaged_record_is_trained_again(project):
    load_or_train({"seed": 0}, uncompressed)
    recorded()[0].write_bytes(b"half a file")
    assert load_or_train({"seed": 0}, lambda: uncompressed(2.0)).weight[0, 0] == 2
    assert load_or_train({"seed": 0}, uncompressed).weight[0, 0] == 2


def test_methods_that_start_from_it_share_one_training(prepared):
    run = {
        "dataset": "toy", "backbone": "dcnv2", "family": "fewer_bits", "method": "rowwise",
        "options": {"bits": 8}, "budget": 0.9, "seed": 0, "dim": 8, "init_std": 0.05,
        "events": None, "min_count": 1, "backbone_options": {"hidden": [16]},
        "train": {"batch": 128, "lr": 0.01, "epochs": 3}, "device": "cpu",
    }  # fmt: skip
    full = run | {"family": "reference", "method": "full", "options": {}, "budget": 1.0}
    # Dropout in the phase after: the first run trains the full table, the last one reads it.
    dedup = run | {"family": "sharing_rows", "method": "dedup", "options": {"block": 2}}
    dedup["backbone_options"] = run["backbone_options"] | {"dropout": 0.5}
    tuned = [work(dedup, lambda fraction, words: None).result for _ in range(2)]
    assert tuned[0] == tuned[1]
    recorded()[0].unlink()
    results = [work(r, lambda fraction, words: None).result for r in (run, full, run)]
    assert len(recorded()) == 1
    assert results[0] == results[2]
    assert results[0]["phases"] == results[1]["phases"] == f"full {results[0]['epochs']}"
    assert results[0]["train_bytes"] == results[1]["train_bytes"]
    work(full | {"train": full["train"] | {"lr": 0.02}}, lambda fraction, words: None)
    assert len(recorded()) == 2
