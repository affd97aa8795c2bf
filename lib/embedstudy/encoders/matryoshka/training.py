"""A plain training loop, the same for every loss: same batches, same steps, same schedule."""

from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import nn

from embedstudy.errors import StudyError
from embedstudy.seeding import generator, seed_everything

_WARM_UP = 0.1  # share of the steps


def train(
    model: SentenceTransformer,
    loss: nn.Module,
    columns: Sequence[Sequence[str]],
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
) -> list[float]:
    """Train ``model`` in place on rows of texts; returns the loss of each step.

    ``columns``: texts by column (anchors, positives), all of one length. AdamW, the learning rate rising
    over the first tenth of the steps and then falling to zero; batches are drawn without replacement, the
    same for every loss. Raises ``StudyError`` for fewer rows than a batch.
    """
    rows = len(columns[0])
    if rows < batch:
        raise StudyError(f"There are {rows} training rows, a batch takes {batch}: use more texts.")
    seed_everything(seed)  # dropout, and what the library's losses draw
    rng = generator(seed, "batches")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    warm = max(1, round(_WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))
    )
    model.train()
    losses, order = [], torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(rows, generator=rng)
        chosen, order = order[:batch].tolist(), order[batch:]
        features = [
            batch_to_device(model.preprocess([column[i] for i in chosen]), model.device)
            for column in columns
        ]
        value = loss(features, None)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    model.eval()
    return losses
