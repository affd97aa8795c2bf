"""A work function without a model: each method behaves in one way a run can end."""

import importlib
import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embedstudy.core.errors import Diverged, InfeasibleBudget, StudyError
from embedstudy.study.engine.outcome import Outcome
from embedstudy.study.engine.runs import Run


@dataclass(frozen=True, kw_only=True)
class FakeRun(Run):
    place: ClassVar[str] = "toys"

    backbone: str = ""
    family: str = "fake"
    method: str
    label: str = ""
    budget: float = 0.1
    seed: int = 0
    dataset: str | None = None
    lr: float = 0.1


METHODS = (
    *("mean", "slow", "boom", "killed", "nan", "tight", "threads", "unpicklable"),
    "stepped",
)


def sources(run):
    return ["fake_method"] if run.method == "mean" else []


def check(run):
    if run.method not in METHODS:
        raise StudyError(f"Unknown method '{run.method}'.")
    if run.method == "tight":
        raise InfeasibleBudget("needs more")


def labels(run):
    return {run.dataset: np.arange(300) % 2} if run.dataset else {}


def twin(run):
    """Budgets below a half buy the same steps."""
    return {"steps": run.budget >= 0.5, "seed": run.seed} if run.method == "stepped" else None


def of_twin(run, other, outcome):
    return Outcome(
        outcome.result | {"same_as_budget": other.budget},
        outcome.volatile,
        outcome.arrays,
        outcome.files,
    )


def work(run, progress):
    with open(os.environ["FAKE_WORK_LOG"], "a") as log:
        log.write(f"{run.method} {run.seed} {os.getpid()}\n")
    progress(0.5, "half way")
    return globals()[f"_{run.method}"](run)


def _mean(run):
    scores = importlib.import_module("fake_method").scores(run.seed)
    result = {"mean": float(scores.mean()), "undefined": float("nan"), "count": np.int64(300)}
    return Outcome(result, {"pid": os.getpid()}, {"test": scores}, {"table.bin": scores.tobytes()})


def _stepped(run):
    return _mean(run)


def _slow(run):
    time.sleep(0.15)
    return _mean(run)


def _threads(run):
    import torch

    values = torch.randn(2**20, generator=torch.Generator().manual_seed(run.seed))
    return Outcome({"sum": float(values.sum()), "threads": torch.get_num_threads()})


def _boom(run):
    if os.path.exists(os.environ["FAKE_WORK_LOG"] + ".repaired"):
        return _mean(run)
    raise ValueError("no such thing")


def _killed(run):
    os.kill(os.getpid(), signal.SIGKILL)


def _nan(run):
    raise Diverged("Loss is NaN in epoch 2.")


def _tight(run):
    raise InfeasibleBudget("needs at least 100 bytes")


def _unpicklable(run):
    return Outcome({"function": lambda: None})
