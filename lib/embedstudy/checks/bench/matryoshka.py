"""A step of Matryoshka training: our loop beside ``SentenceTransformerTrainer``, the same loss in both.

The loss is SRL with a width for each depth, over in-batch negatives; AdamW, one rate, gradients clipped
at 1. As many pairs as the steps take, so that both see each pair once.
"""

import tempfile

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import nn
from transformers import PrinterCallback

from embedstudy.checks.bench.texts import documents
from embedstudy.checks.bench.turns import Peer, Row, beside, unmeasured
from embedstudy.core.errors import StudyError
from embedstudy.encoders import matryoshka
from embedstudy.encoders.core import pretrained
from embedstudy.encoders.core.sizes import layers

PEER = Peer("SentenceTransformerTrainer", "sentence-transformers")
_GOAL, _RATE, _TOKENS = 1.0, 1e-4, 64


def compare(repeats: int, small: bool) -> list[Row]:
    """Steps a second, of all-MiniLM-L6-v2."""
    steps, batch = (2, 4) if small else (8, 16)
    name, texts = documents(2 * steps * batch)
    columns = [texts[::2], texts[1::2]]
    what = f"SRL steps of {batch} pairs, {name}"
    try:
        ours, theirs = pretrained.minilm(), pretrained.minilm()
    except StudyError as error:
        return [unmeasured(what, "steps", PEER, str(error), goal=_GOAL)]
    chosen = [matryoshka.TrainingSet(_loss(ours), columns)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(theirs, columns, steps, batch, folder)
        return [
            beside(
                what, "steps", steps,
                lambda: matryoshka.train(ours, chosen, steps=steps, batch=batch, lr=_RATE, seed=0),
                PEER,
                lambda: trainer.train,
                repeats=repeats, goal=_GOAL,
            )
        ]  # fmt: skip


def _loss(model: SentenceTransformer) -> nn.Module:
    """SRL over a diagonal of sizes, one a depth."""
    model.max_seq_length = min(_TOKENS, model.max_seq_length)
    depth, width = len(layers(model)), model.get_embedding_dimension()
    sizes = [(n, width * n // depth) for n in range(1, depth)]
    return matryoshka.StarbucksLoss(model, MultipleNegativesRankingLoss(model), sizes)


def _trainer(
    model: SentenceTransformer, columns: list[list[str]], steps: int, batch: int, folder: str
) -> SentenceTransformerTrainer:
    """The library's trainer, without its files, model card, logs and progress bar."""
    arguments = SentenceTransformerTrainingArguments(
        folder,
        max_steps=steps,
        per_device_train_batch_size=batch,
        learning_rate=_RATE,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    pairs = Dataset.from_dict(dict(zip(("anchor", "positive"), columns, strict=True)))
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=pairs, loss=_loss(model))
    for callback in (PrinterCallback, trainer.model_card_callback_class):
        trainer.remove_callback(callback)
    return trainer
