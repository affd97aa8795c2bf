"""One run of the chapter on Matryoshka training: a loss, a seed, and one size of the trained model."""

import tempfile
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from torch import nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import seed_everything
from embedstudy.encoders import matryoshka
from embedstudy.encoders.core import encode, pretrained, tasks
from embedstudy.encoders.core.sizes import layers
from embedstudy.encoders.matryoshka.submodels import check_size, sub_model
from embedstudy.sources.core import text_sets
from embedstudy.study.encoder import judging
from embedstudy.study.engine.once import Trained, load_or_train
from embedstudy.study.engine.outcome import Outcome, Progress
from embedstudy.study.matryoshka.cuts import cut
from embedstudy.study.matryoshka.data import DATA, check_data, docs_pairs, training_sets
from embedstudy.study.matryoshka.methods import LOSSES, METHODS, training_of
from embedstudy.study.matryoshka.types import MatryoshkaRun


def prepared(run: MatryoshkaRun) -> list[str]:
    """The prepared data that a run reads."""
    return sorted({*judging.prepared(run), "docs", *(DATA[name] for name in run.train.data)})


labels = judging.pair_scores


def sources(run: MatryoshkaRun) -> list[str]:
    """The modules that declare the run's tasks and training sets, which are loaded by name."""
    folders = {"docs", *(DATA[name] for name in run.train.data)}
    return sorted({*map(text_sets.module_of, folders), *tasks.modules(run.tasks)})


def shares(run: MatryoshkaRun) -> dict[str, tuple[dict, list[str]]]:
    """The training of a loss and seed, the same for every size but of models trained separately.

    It depends on which tasks there are, as their pairs are not trained on, but not on how they are cut.
    """
    training = training_of(run.method)
    if training is None:
        return {}
    names = ["method", "seed", "sizes", "train", "length"]
    names += ["size"] if run.method == "separate" else []
    identity = run.identity() | {"method": training}
    what = {name: identity[name] for name in names} | {"judged": sorted(run.tasks)}
    return {"training": (what, sources(run))}


def check(run: MatryoshkaRun) -> None:
    """Raise ``StudyError`` if the run cannot start."""
    if run.method not in METHODS:
        raise StudyError(f"Unknown method '{run.method}': choose from {', '.join(METHODS)}.")
    check_size(pretrained.minilm(), tuple(run.size))
    check_data(run.train.data, list(run.tasks))
    for name, limits in run.tasks.items():
        tasks.check(name, limits)


def _train(run: MatryoshkaRun, model: SentenceTransformer) -> None:
    """Train in place; a separately trained model is cut to its size first and trained as that."""
    sizes, train = [tuple(size) for size in run.sizes], run.train
    if run.method == "smae_srl":
        texts = docs_pairs(train.pairs)[1]
        config = {"batch": train.batch, "lr": train.lr, "seed": run.seed}
        matryoshka.pretrain(model, texts, sizes, steps=train.pretrain, **config)

    def loss(base: nn.Module) -> nn.Module:
        return LOSSES[training_of(run.method)](model, base, sizes)

    config = {name: getattr(train, name) for name in ("steps", "batch", "lr", "seconds")}
    chosen = training_sets(train.data, train.pairs, list(run.tasks), model, loss)
    matryoshka.train(model, chosen, seed=run.seed, **config)


def _start(run: MatryoshkaRun) -> SentenceTransformer:
    """What is trained: all-MiniLM-L6-v2, or its first layers and numbers where trained by themselves."""
    model = pretrained.minilm()
    model.max_seq_length = run.length
    if run.method == "separate":
        model = sub_model(model, tuple(run.size))
        model.max_seq_length = run.length
    return model


def _trained(run: MatryoshkaRun) -> tuple[SentenceTransformer, float]:
    """The trained model and the seconds that took, from disk where another size has trained it."""
    model = _start(run)
    if training_of(run.method) is None:
        return model, 0.0

    def train() -> Trained:
        started = time.perf_counter()
        _train(run, model)
        return model.state_dict(), {"seconds": time.perf_counter() - started}

    tensors, notes = load_or_train(run.shared.get("training", ""), train)
    model.load_state_dict(tensors)
    return model.eval(), notes["seconds"]


def work(run: MatryoshkaRun, progress: Progress) -> Outcome:
    """Train by the run's loss, cut to its size, save, load with the library alone, judge.

    Runs of one loss and seed share a training.
    """
    seed_everything(run.seed)
    model, seconds = _trained(run)
    progress(0.5, "judging")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "encoder"
        cut(run, model).save(str(folder))
        served = pretrained.load_encoder(folder)
    served.max_seq_length = run.length
    values = {
        name: tasks.load(name, **limits)
        .scores(lambda texts: encode.encode(served, texts))
        .astype(np.float64)
        for name, limits in run.tasks.items()
    }
    result = {
        "serve_bytes": sum(p.numel() * p.element_size() for p in served.parameters()),
        "full_bytes": sum(p.numel() * 4 for p in pretrained.minilm().parameters()),
        "layers": len(layers(served)),
        "dim": run.size[1],
    }
    return Outcome(result, {"train_seconds": seconds}, values)
