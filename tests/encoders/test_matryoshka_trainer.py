"""Our losses in the library's own trainer, in one process and in several."""

import copy

import pytest
import torch
import torch.multiprocessing as mp
import two_processes
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    MultipleNegativesRankingLoss,
)

from embedstudy.encoders import matryoshka
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.core.pretrained import load_encoder

PAIRS = {
    "anchor": ["the cat sat", "a dog", "flow of heat", "wing on a plate"],
    "positive": ["the cat", "the dog sat", "heat", "a wing"],
}
LOSSES = {
    "starbucks": lambda model, base: matryoshka.StarbucksLoss(model, base, [(1, 8)]),
    "pairs": lambda model, base: matryoshka.PairsLoss(model, base, [(1, 8), (1, 16)]),
    "random": lambda model, base: matryoshka.RandomPairsLoss(model, base, [(1, 8)]),
    "espresso": lambda model, base: matryoshka.EspressoLoss(model, base, k=8),
    "blocks": lambda model, base: matryoshka.BlocksMatryoshka2dLoss(model, base, [32, 8]),
    "old": lambda model, base: matryoshka.OldMatryoshka2dLoss(model, base, [32, 8]),
    "angle": lambda model, base: matryoshka.AngleMatryoshka2dLoss(model, base, [8]),
}


def settings(folder):
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_every_block_in_the_librarys_trainer(encoder, tmp_path, name):
    model = copy.deepcopy(encoder)
    loss = LOSSES[name](model, MultipleNegativesRankingLoss(model))
    before = copy.deepcopy(model.state_dict())
    trainer = SentenceTransformerTrainer(
        model=model, args=settings(tmp_path), train_dataset=Dataset.from_dict(PAIRS), loss=loss
    )
    assert trainer.train().global_step == 2
    moved = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    trained = {key for key, _ in model.named_parameters() if "pooler" not in key}
    # A bias of all keys shifts every score alike, so only rounding moves it.
    assert trained - moved <= {key for key in trained if key.endswith("key.bias")}
    assert not any("pooler" in key for key in moved), "mean pooling does not read it"


def test_judged_pairs_bring_their_labels_and_the_result_is_a_plain_encoder(encoder, tmp_path):
    model = copy.deepcopy(encoder)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=settings(tmp_path / "run"),
        train_dataset=Dataset.from_dict(PAIRS | {"score": [1.0, 0.9, 0.1, 0.0]}),
        loss=matryoshka.StarbucksLoss(model, CoSENTLoss(model), [(1, 8)]),
    )
    trainer.train()
    model.save(str(tmp_path / "trained"))  # writes a model card, which names the loss
    loaded = load_encoder(tmp_path / "trained")
    assert encode(loaded, PAIRS["anchor"]) == pytest.approx(
        encode(model, PAIRS["anchor"]), abs=1e-6
    )
    assert "StarbucksLoss" in (tmp_path / "trained" / "README.md").read_text()


def test_two_processes_share_their_gradients(encoder_folder, tmp_path):
    mp.spawn(two_processes.in_group, (encoder_folder, tmp_path), nprocs=2)
    shared = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    first, second = (two_processes.gradients(encoder_folder, rank) for rank in (0, 1))
    assert max((first[name] - second[name]).abs().max() for name in first) > 0.01
    for name in first:
        mean = (first[name] + second[name]) / 2
        assert torch.allclose(shared[0][name], mean, atol=1e-5), name
        assert torch.equal(shared[0][name], shared[1][name]), name
