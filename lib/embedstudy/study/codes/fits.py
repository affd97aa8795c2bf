"""Fits of codecs: which texts a run's codec is fitted on, and slow fits that several runs share."""

import time

import numpy as np
import torch

from embedstudy import codes
from embedstudy.codes.base import Codec
from embedstudy.encoders.core import tasks
from embedstudy.study.codes.types import CodecRun
from embedstudy.study.engine.once import Trained, load_or_train


def texts(run: CodecRun, task: str) -> dict:
    """What the run's codec is fitted on before it is judged on ``task``, JSON-safe.

    Number of texts by kind, or the task itself with its limits: the corpus that is searched.
    """
    if run.fitted_on == "corpus":
        return {task: run.tasks[task]}
    return {kind: run.training[kind] for kind in tasks.training_kinds(task)}


def modules(codec: Codec) -> list[str]:
    """The modules of a codec and of those that it is put together from."""
    inside = [value for value in codec.options().values() if isinstance(value, Codec)]
    return sorted({type(codec).__module__}.union(*map(modules, inside)))


def shares(run: CodecRun) -> dict[str, tuple[dict, list[str]]]:
    """The slow fits of a run, which others that only score, list or store otherwise share."""
    stages = codes.build(run.method, run.options).stages()
    return {
        _name(run, task, number): (_identity(run, task, stage), modules(stage))
        for task in run.tasks
        for number, stage in enumerate(stages)
        if stage.slow_to_fit
    }


def fitted(run: CodecRun, task: str, train: np.ndarray) -> tuple[Codec, float]:
    """The run's codec, fitted on ``train`` [n, d], and the seconds that its fit takes or took."""
    codec = codes.build(run.method, run.options)
    seconds = sum(
        _fit(stage, train, run.seed, run.shared.get(_name(run, task, number), ""))
        for number, stage in enumerate(codec.stages())
    )
    # A codec of several stages keeps nothing besides them.
    codec.restored(codec.codebooks, dim=train.shape[1], trained_on=len(train))
    return codec, seconds


def _name(run: CodecRun, task: str, stage: int) -> str:
    return f"{'+'.join(texts(run, task))}.{stage}"


def _identity(run: CodecRun, task: str, stage: Codec) -> dict:
    spec = codes.spec(stage)
    fitting = {n: v for n, v in spec["options"].items() if n not in stage.scoring_options}
    return {
        "fit": spec["method"],
        "options": fitting,
        "seed": run.seed,
        "dim": run.dim,
        "fitted_on": run.fitted_on,
        "texts": texts(run, task),
    }


def _fit(stage: Codec, train: np.ndarray, seed: int, key: str) -> float:
    """Fit one stage, or take its fit from where it was kept; the seconds of the fit."""

    def trained() -> Trained:
        started = time.perf_counter()
        stage.fit(train, seed)
        seconds = time.perf_counter() - started
        return {n: torch.from_numpy(b) for n, b in stage.codebooks.items()}, {"seconds": seconds}

    if not stage.slow_to_fit:
        return trained()[1]["seconds"]
    kept, notes = load_or_train(key, trained)
    codebooks = {name: tensor.numpy() for name, tensor in kept.items()}
    stage.restored(codebooks, dim=train.shape[1], trained_on=len(train))
    return notes["seconds"]
