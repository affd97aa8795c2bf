"""A work function without a model: each method behaves in one way a run can end."""

import importlib
import os
import signal
import time

import numpy as np

from embedstudy.core.errors import Diverged, InfeasibleBudget, StudyError
from embedstudy.study.engine.outcome import Outcome

METHODS = ("mean", "slow", "boom", "killed", "nan", "tight", "threads", "unpicklable")


def sources(run):
    return ["fake_method"] if run["method"] == "mean" else []


def check(run):
    if run["method"] not in METHODS:
        raise StudyError(f"Unknown method '{run['method']}'.")
    if run["method"] == "tight":
        raise InfeasibleBudget("needs more")


def work(run, progress):
    with open(os.environ["FAKE_WORK_LOG"], "a") as log:
        log.write(f"{run['method']} {run['seed']} {os.getpid()}\n")
    progress(0.5, "half way")
    return globals()[f"_{run['method']}"](run)


def _mean(run):
    scores = importlib.import_module("fake_method").scores(run["seed"])
    result = {"mean": float(scores.mean()), "undefined": float("nan"), "count": np.int64(300)}
    return Outcome(result, {"pid": os.getpid()}, {"test": scores}, {"table.bin": scores.tobytes()})


def _slow(run):
    time.sleep(0.15)
    return _mean(run)


def _threads(run):
    import torch

    values = torch.randn(2**20, generator=torch.Generator().manual_seed(run["seed"]))
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
