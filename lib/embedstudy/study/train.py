"""The training loop that every table runs through: same data order, same effort, same stopping."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as logloss

from embedstudy.errors import Diverged
from embedstudy.measure import quality
from embedstudy.seeding import generator
from embedstudy.study.data import CtrData, Split
from embedstudy.tables.base import Table

Progress = Callable[[float, str], None]
_EXPLODED = 10 * math.log(2)  # ten times the loss of a coin toss
_EVALUATION_BATCH = 8192


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters, the same for every method of a chapter."""

    batch: int = 1024  # events a step
    lr: float = 1e-3  # Adam, tables and backbone alike
    epochs: int = 20  # at most
    patience: int = 2  # stop after so many epochs in a row without gain on the validation split
    monitor: str = "logloss"  # what is to gain: "logloss", or "auc" as some benchmarks do
    lr_decay: float = 1.0  # factor on the learning rate after an epoch that did not improve
    table_l2: float = 0.0  # Adam's coupled weight decay on the table's parameters
    clip: float = 0.0  # largest norm of all gradients together; 0 switches clipping off


@dataclass(frozen=True)
class Fit:
    """What training left behind; the best epoch's weights are in the modules."""

    epochs: int  # run, the ones after the best included
    best_epoch: int
    best: float  # the monitored loss of that epoch: logloss, or minus AUC
    seconds: float
    train_bytes: int


class Model(nn.Module):
    """A table and the backbone that reads its vectors. ``ids`` [B, F] -> logits [B]."""

    def __init__(self, table: nn.Module, backbone: nn.Module):
        super().__init__()
        self.table, self.backbone = table, backbone

    def forward(self, ids: Tensor) -> Tensor:
        return self.backbone(self.table(ids))


@torch.inference_mode()
def predict(model: nn.Module, split: Split) -> Tensor:
    """Logits [N] of a split, in evaluation mode."""
    model.eval()
    return torch.cat([model(ids) for ids in split.ids.split(_EVALUATION_BATCH)])


def table_train_bytes(table: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Bytes that training the table holds: parameters, gradients, buffers, optimizer state."""

    def size(tensor: Tensor) -> int:
        return tensor.numel() * tensor.element_size()

    total = sum(size(buffer) for buffer in table.buffers())
    for parameter in table.parameters():
        total += size(parameter) * (2 if parameter.requires_grad else 1)
        state = optimizer.state.get(parameter, {})
        total += sum(size(value) for value in state.values() if isinstance(value, Tensor))
    return total


def make_optimizer(model: Model, config: TrainConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": list(model.table.parameters()), "weight_decay": config.table_l2},
        {"params": list(model.backbone.parameters())},
    ]
    return torch.optim.Adam([group for group in groups if group["params"]], config.lr, fused=True)


def _epoch(model: Model, split: Split, optimizer, config: TrainConfig, order: Tensor, tick) -> None:
    """One pass over ``split`` in ``order``; raises ``Diverged`` on NaN or an exploding loss."""
    model.train()
    ids, labels = split.ids[order], split.labels[order]
    total, steps = torch.zeros((), device=ids.device), 0
    for batch, target in zip(ids.split(config.batch), labels.split(config.batch), strict=True):
        loss = logloss(model(batch), target)
        extra = model.table.penalty()
        optimizer.zero_grad(set_to_none=True)
        (loss if extra is None else loss + extra).backward()
        if config.clip:
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        model.table.after_step(tick(steps))
        total += loss.detach()
        steps += 1
    mean = (total / steps).item()
    if not math.isfinite(mean) or mean > _EXPLODED:
        raise Diverged(f"Training loss of the epoch is {mean:.3g}: the run diverged.")


def _monitored(model: Model, split: Split, monitor: str) -> float:
    """The validation loss that decides when to stop: logloss, or minus AUC."""
    scores = predict(model, split)
    if monitor == "auc":
        return -(quality.auc(split.labels.cpu().numpy(), scores.cpu().numpy()) or math.nan)
    return logloss(scores, split.labels).item()


def fit(
    model: Model,
    data: CtrData,
    config: TrainConfig,
    seed: int,
    progress: Progress = lambda fraction, text: None,
) -> Fit:
    """Train table and backbone with early stopping on the validation split (never the test split).

    Adam on dense gradients, minibatches in an order drawn from ``seed`` alone, so that methods
    with the same seed see the same batches.
    """
    assert isinstance(model.table, Table)
    optimizer = make_optimizer(model, config)
    rng = generator(seed, "order")
    size = len(data.train.labels)
    steps = -(-size // config.batch)
    best, best_epoch, best_state, waited = math.inf, 0, None, 0
    started = time.perf_counter()
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(size, generator=rng).to(data.train.ids.device)

        def tick(step: int, done: int = (epoch - 1) * steps) -> int:
            if step % 64 == 0:
                progress((done + step) / (config.epochs * steps), f"epoch {done // steps + 1}")
            return done + step

        _epoch(model, data.train, optimizer, config, order, tick)
        current = _monitored(model, data.valid, config.monitor)
        if not math.isfinite(current):
            raise Diverged(f"Validation {config.monitor} after epoch {epoch} is {current}.")
        if current < best:
            best, best_epoch, waited = current, epoch, 0
            best_state = {name: value.clone() for name, value in model.state_dict().items()}
            continue
        waited += 1
        if waited >= config.patience:
            break
        for group in optimizer.param_groups:
            group["lr"] *= config.lr_decay
    seconds = time.perf_counter() - started
    model.load_state_dict(best_state)
    return Fit(epoch, best_epoch, best, seconds, table_train_bytes(model.table, optimizer))
