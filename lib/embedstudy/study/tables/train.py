"""The training loop that every table runs through: same data order, same effort, same stopping."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as logloss

from embedstudy.core.errors import Diverged
from embedstudy.core.seeding import generator
from embedstudy.measure import quality
from embedstudy.study.engine.outcome import Progress
from embedstudy.study.tables.data import CtrData, Split
from embedstudy.study.tables.types import TrainConfig
from embedstudy.tables.core.base import TableSpec

_EXPLODED = 10 * math.log(2)  # ten times the loss of a coin toss
_EVALUATION_BATCH = 8192


@dataclass(frozen=True)
class Fit:
    """What one phase of training left behind."""

    phase: str
    epochs: int  # run, the ones after the best included
    best_epoch: int
    best: float  # the monitored loss of that epoch: logloss, or minus AUC
    seconds: float
    train_bytes: int


@dataclass(frozen=True)
class Uncompressed:
    """A trained full table: its ``weight`` fp32 [rows, dim], the backbone's state, its cost."""

    weight: Tensor
    backbone: dict[str, Tensor]
    fit: Fit


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
    """Adam over the groups that the table names and the backbone's parameters."""
    groups = [{"weight_decay": config.table_l2} | group for group in model.table.parameter_groups()]
    groups.append({"params": list(model.backbone.parameters())})
    return torch.optim.Adam([group for group in groups if group["params"]], config.lr, fused=True)


class Trainer:
    """Trains the model of one run; the *recipe* of its table says in which phases.

    ``spec`` and ``budget`` (bytes) are those that the table was built for. ``uncompressed`` gives
    the trained full table of the same seed, for methods that start from it. ``once`` trains a phase
    that is the same for every budget, or brings the model where that training left it. No phase
    ever reads the test split.
    """

    def __init__(
        self,
        model: Model,
        data: CtrData,
        config: TrainConfig,
        seed: int,
        progress: Progress = lambda fraction, text: None,
        *,
        spec: TableSpec | None = None,
        budget: int | None = None,
        uncompressed: Callable[[], Uncompressed] | None = None,
        once: Callable[[str, Callable[[], Fit]], Fit] = lambda phase, train: train(),
    ):
        self.model, self.data, self.config, self.seed = model, data, config, seed
        self.spec, self.budget = spec, budget
        self.fits: list[Fit] = []
        self.optimizer: torch.optim.Optimizer | None = None  # that of the current phase
        self.saved_seconds = 0.0  # spent when something was trained that this run only read
        self._progress, self._uncompressed, self._once = progress, uncompressed, once
        self._initial = {name: t.clone() for name, t in model.backbone.state_dict().items()}
        self._batch: tuple[Tensor, Tensor] | None = None
        self._valid_batches = self._cycle(data.valid)

    # -- phases -----------------------------------------------------------------------------------
    def fit(
        self,
        phase: str = "train",
        *,
        any_budget: bool = False,
        epochs: int | None = None,
        until: Callable[[], bool] | None = None,
        eligible: Callable[[], bool] | None = None,
        each_step: Callable[[int], None] | None = None,
        each_epoch: Callable[[int], None] | None = None,
    ) -> Fit:
        """Train table and backbone: a fresh Adam, early stopping, the best epoch's weights kept.

        Minibatches come in an order drawn from the seed alone, so that methods with the same seed
        see the same batches. ``any_budget``: nothing of this phase or of those before it depends on
        the budget, so that runs of several budgets train it once; what it changes must be in the
        model's state. ``epochs``: limit of this phase, by default that of the configuration. ``until``: asked after every step; once true, the phase ends with the
        weights as they are; with it, there is no early stopping. ``eligible``: epochs at whose end
        it is false are never the best one. ``each_step`` (0-based step of the phase) runs after
        the optimizer, while gradients are still there; ``each_epoch`` (1-based) before validation.
        Raises ``Diverged`` on NaN or an exploding loss.
        """
        train = partial(
            self._fit, phase, epochs or self.config.epochs, until, eligible, each_step, each_epoch
        )
        started = time.perf_counter()
        fit = self._once(phase, train) if any_budget else train()
        self.saved_seconds += fit.seconds - (time.perf_counter() - started)
        self.fits.append(fit)
        return fit

    def _fit(self, phase, limit, until, eligible, each_step, each_epoch) -> Fit:
        """One phase, as ``fit`` describes it."""
        started = time.perf_counter()
        self.optimizer = make_optimizer(self.model, self.config)
        best = _Best(self.model)
        rng = generator(self.seed, "order")
        for epoch in range(1, limit + 1):
            stopped = self._epoch(epoch, limit, phase, rng, until, each_step)
            if each_epoch is not None:
                each_epoch(epoch)
            if stopped or (until is not None and epoch == limit):
                break
            current = self.validate()
            if not math.isfinite(current):
                raise Diverged(
                    f"Validation {self.config.monitor} after epoch {epoch} is {current}."
                )
            if until is not None or (eligible is not None and not eligible()):
                continue
            if best.offer(current, epoch):
                continue
            if epoch - best.epoch >= self.config.patience:
                break
            for group in self.optimizer.param_groups:
                group["lr"] *= self.config.lr_decay
        best.restore()
        seconds = time.perf_counter() - started
        size = table_train_bytes(self.model.table, self.optimizer)
        return Fit(phase, epoch, best.epoch or epoch, best.loss, seconds, size)

    def trained(self) -> Tensor:
        """The weight fp32 [rows, dim] of the trained full table; the backbone takes its weights."""
        started = time.perf_counter()
        full = self._uncompressed()
        self.model.backbone.load_state_dict(full.backbone)
        self.fits.append(full.fit)
        self.saved_seconds += full.fit.seconds - (time.perf_counter() - started)
        return full.weight.to(self.data.train.ids.device, copy=True)

    def use(self, table: nn.Module) -> None:
        """Put ``table`` where the model's table is."""
        self.model.table = table.to(self.data.train.ids.device)

    def reset_backbone(self) -> None:
        """Give the backbone the weights that it started from."""
        self.model.backbone.load_state_dict(self._initial)

    # -- losses and validation --------------------------------------------------------------------
    def loss(self) -> Tensor:
        """The loss of the current training batch, computed anew."""
        ids, labels = self._batch
        return logloss(self.model(ids), labels)

    def valid_loss(self) -> Tensor:
        """The loss of the next validation batch, for architecture parameters."""
        ids, labels = next(self._valid_batches)
        return logloss(self.model(ids), labels)

    def validate(self) -> float:
        """The validation loss that decides: logloss, or minus AUC; the lower the better."""
        if self.config.monitor == "auc":
            return -self.valid_auc()
        return logloss(predict(self.model, self.data.valid), self.data.valid.labels).item()

    def valid_auc(self) -> float:
        """AUC on the validation split."""
        scores = predict(self.model, self.data.valid).cpu().numpy()
        return quality.auc(self.data.valid.labels.cpu().numpy(), scores) or math.nan

    # -- inside -----------------------------------------------------------------------------------
    def _cycle(self, split: Split):
        """Batches of ``split`` for ever, in a new order each round."""
        rng = generator(self.seed, "valid order")
        while True:
            order = torch.randperm(len(split.labels), generator=rng).to(split.ids.device)
            for rows in order.split(self.config.batch):
                yield split.ids[rows], split.labels[rows]

    def _epoch(self, epoch, limit, phase, rng, until, each_step) -> bool:
        """One pass over the training split; whether ``until`` ended it."""
        model, split, config = self.model, self.data.train, self.config
        model.train()
        order = torch.randperm(len(split.labels), generator=rng).to(split.ids.device)
        ids, labels = split.ids[order].split(config.batch), split.labels[order].split(config.batch)
        total = torch.zeros((), device=order.device)
        for step, self._batch in enumerate(zip(ids, labels, strict=True)):
            loss = self.loss()
            extra = model.table.penalty()
            model.zero_grad(set_to_none=True)
            (loss if extra is None else loss + extra).backward()
            if config.clip:
                nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            self.optimizer.step()
            if each_step is not None:
                each_step((epoch - 1) * len(ids) + step)
            total += loss.detach()
            if step % 64 == 0:
                self._progress((epoch - 1 + step / len(ids)) / limit, f"{phase}, epoch {epoch}")
            if until is not None and until():
                return True
        mean = (total / len(ids)).item()
        if not math.isfinite(mean) or mean > _EXPLODED:
            raise Diverged(f"Training loss of the epoch is {mean:.3g}: the run diverged.")
        return False


class _Best:
    """The best epoch so far, and the weights that it had."""

    def __init__(self, model: nn.Module):
        self.model, self.loss, self.epoch, self._state = model, math.inf, 0, None

    def offer(self, loss: float, epoch: int) -> bool:
        """Take the model as it is if ``loss`` is the lowest so far."""
        if loss >= self.loss:
            self.epoch = self.epoch or epoch
            return False
        self.loss, self.epoch = loss, epoch
        self._state = {name: value.clone() for name, value in self.model.state_dict().items()}
        return True

    def restore(self) -> None:
        if self._state is not None:
            self.model.load_state_dict(self._state)
