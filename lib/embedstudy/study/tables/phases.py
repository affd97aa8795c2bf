"""Phases of training that are the same for every budget: trained once, whoever asks."""

from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import nn

from embedstudy.study.engine.once import Trained, load_or_train
from embedstudy.study.tables.train import Fit


def any_budget(key: str, phase: str, model: nn.Module, train: Callable[[], Fit]) -> Fit:
    """What ``train()`` gives, with ``model`` as it leaves it; from disk if it was kept before.

    ``key`` is that of the run's phases, see ``once``; no key keeps nothing. The global generator,
    which dropout draws from, is left as it was in either case.
    """

    def stored() -> Trained:
        fit = train()
        return model.state_dict(), asdict(fit)

    with torch.random.fork_rng():
        tensors, fit = load_or_train(key and f"{key}-{phase}", stored)
    model.load_state_dict(tensors)
    return Fit(**fit)
