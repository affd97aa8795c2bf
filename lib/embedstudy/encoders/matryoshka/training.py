"""A plain training loop, the same for every loss: same batches, same steps or time, same schedule."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator, seed_everything

_WARM_UP = 0.1  # share of the steps


@dataclass(frozen=True)
class TrainingSet:
    """Texts by column (anchors, positives, perhaps negatives), all of one length, and their loss.

    ``labels``: a number a row, where the loss takes one (CoSENTLoss), else None.
    """

    loss: nn.Module
    columns: Sequence[Sequence[str]]
    labels: Sequence[float] | None = None


class _Batches:
    """Rows of a training set, drawn without replacement, over and over."""

    def __init__(self, rows: int, batch: int, rng: torch.Generator):
        if rows < batch:
            raise StudyError(
                f"There are {rows} training rows, a batch takes {batch}: use more texts."
            )
        self.rows, self.batch, self.rng = rows, batch, rng
        self.order = torch.empty(0, dtype=torch.int64)

    def next(self) -> list[int]:
        if len(self.order) < self.batch:
            self.order = torch.randperm(self.rows, generator=self.rng)
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        return chosen.tolist()


def train(
    model: SentenceTransformer,
    sets: Sequence[TrainingSet],
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    seconds: float = 0,
) -> list[float]:
    """Train ``model`` in place; returns the loss of each step.

    The sets take turns, a batch each; batches are the same for every loss. AdamW, the learning rate
    rising over the first tenth of the steps and then falling to zero.

    Args:
        model: the encoder that the losses of the sets hold.
        sets: texts and their loss; fewer rows than a batch raise ``StudyError``.
        steps: optimiser steps.
        batch: rows a step.
        lr: the highest learning rate.
        seed: of batches, dropout and what losses draw.
        seconds: above 0, the clock decides instead of ``steps``: training ends, and the rate has fallen
            to zero, when they are over, however many steps that were, so two runs differ.
    """
    seed_everything(seed)  # dropout, and what the library's losses draw
    batches = [
        _Batches(len(one.columns[0]), batch, generator(seed, "batches", number))
        for number, one in enumerate(sets)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0, fused=True)
    done = _by_the_clock(seconds) if seconds else _by_steps(steps)
    model.train()
    losses = []
    while (share := done(len(losses))) < 1:
        turn = len(losses) % len(sets)
        for group in optimizer.param_groups:
            group["lr"] = lr * min(
                (share + 1 / max(steps, 1)) / _WARM_UP, (1 - share) / (1 - _WARM_UP), 1
            )
        value = _loss(model, sets[turn], batches[turn].next())
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(value.item())
    model.eval()
    return losses


def _by_steps(steps: int) -> Callable[[int], float]:
    return lambda step: step / steps


def _by_the_clock(seconds: float) -> Callable[[int], float]:
    started = time.perf_counter()
    return lambda step: (time.perf_counter() - started) / seconds


def _loss(model: SentenceTransformer, one: TrainingSet, rows: list[int]) -> Tensor:
    features = [
        batch_to_device(model.preprocess([column[i] for i in rows]), model.device)
        for column in one.columns
    ]
    labels = None
    if one.labels is not None:
        labels = torch.tensor([one.labels[i] for i in rows], device=model.device)
    return one.loss(features, labels)
