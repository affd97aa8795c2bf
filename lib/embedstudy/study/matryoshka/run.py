"""One run of the chapter on Matryoshka training: a loss, a seed, and one size of the trained model."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import Matryoshka2dLoss, MatryoshkaLoss
from torch import nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator, seed_everything
from embedstudy.encoders import matryoshka
from embedstudy.encoders.core import encode, pretrained, tasks
from embedstudy.encoders.core.sizes import first_layers, layers
from embedstudy.encoders.matryoshka.submodels import Size, check_size, sub_model
from embedstudy.sources.core import text_sets
from embedstudy.study.encoder import judging
from embedstudy.study.engine.once import Trained, load_or_train
from embedstudy.study.engine.outcome import Outcome, Progress
from embedstudy.study.matryoshka.data import DATA, docs_pairs, training_sets
from embedstudy.study.matryoshka.types import MatryoshkaRun

UNTRAINED = ("full", "truncate", "random_dims", "pca")


def prepared(run: MatryoshkaRun) -> list[str]:
    """The prepared data that a run reads."""
    return sorted({*judging.prepared(run), "docs", *(DATA[name] for name in run.train.data)})


labels = judging.pair_scores


def _dims(sizes: list[Size]) -> list[int]:
    """The widths of the sizes, the full one first, as the library wants them."""
    return sorted({dim for _, dim in sizes}, reverse=True)


# name -> loss of a model, a base loss and the sizes to be trained
LOSSES: dict[str, Callable[[SentenceTransformer, nn.Module, list[Size]], nn.Module]] = {
    "plain": lambda model, base, sizes: base,
    "mrl": lambda model, base, sizes: MatryoshkaLoss(model, base, _dims(sizes)),
    "2dmse": lambda model, base, sizes: Matryoshka2dLoss(model, base, _dims(sizes)),
    "2dmse_old": lambda model, base, sizes: matryoshka.OldMatryoshka2dLoss(
        model, base, _dims(sizes)
    ),
    "2dmse_all": lambda model, base, sizes: matryoshka.PairsLoss(model, base, _product(sizes)),
    "ese": lambda model, base, sizes: matryoshka.EspressoLoss(model, base, k=_middle(sizes)),
    "srl": lambda model, base, sizes: matryoshka.StarbucksLoss(model, base, _smaller(sizes)),
    "srl_released": lambda model, base, sizes: matryoshka.StarbucksLoss(
        model, base, _smaller(sizes), released=True
    ),
    "smae_srl": lambda model, base, sizes: matryoshka.StarbucksLoss(model, base, _smaller(sizes)),
    "random_pairs": lambda model, base, sizes: matryoshka.RandomPairsLoss(
        model, base, _product(sizes)
    ),
    "separate": lambda model, base, sizes: base,
}
METHODS = (*UNTRAINED, *LOSSES)


def _product(sizes: list[Size]) -> list[Size]:
    """Every depth with every width, the full model left out."""
    pairs = [(depth, dim) for depth in sorted({n for n, _ in sizes}) for dim in _dims(sizes)]
    return [pair for pair in pairs if pair != max(sizes)]


def _smaller(sizes: list[Size]) -> list[Size]:
    """The sizes as they are listed, the full model left out."""
    return [tuple(size) for size in sizes if tuple(size) != tuple(max(sizes))]


def _middle(sizes: list[Size]) -> int:
    """The width of the middle size: what ESE, which trains one width, is given."""
    return sorted(dim for _, dim in sizes)[(len(sizes) - 1) // 2]


def sources(run: MatryoshkaRun) -> list[str]:
    """The modules that declare the run's tasks and training sets, which are loaded by name."""
    return sorted({*tasks.modules(run.tasks), *_training_modules(run)})


def _training_modules(run: MatryoshkaRun) -> list[str]:
    folders = {"docs", *(DATA[name] for name in run.train.data)}
    return sorted(text_sets.module_of(folder) for folder in folders)


def shares(run: MatryoshkaRun) -> dict[str, tuple[dict, list[str]]]:
    """The training of a loss and seed, the same for every size but of models trained separately."""
    if run.method in UNTRAINED:
        return {}
    names = ["method", "seed", "sizes", "train", "length"]
    names += ["size"] if run.method == "separate" else []
    identity = run.identity()
    return {"training": ({name: identity[name] for name in names}, _training_modules(run))}


def check(run: MatryoshkaRun) -> None:
    """Raise ``StudyError`` if the run cannot start."""
    if run.method not in METHODS:
        raise StudyError(f"Unknown method '{run.method}': choose from {', '.join(METHODS)}.")
    check_size(pretrained.minilm(), tuple(run.size))
    unknown = set(run.train.data) - set(DATA)
    if unknown or not run.train.data:
        raise StudyError(f"The training data are {run.train.data}: name some of {', '.join(DATA)}.")
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
        return LOSSES[run.method](model, base, sizes)

    config = {name: getattr(train, name) for name in ("steps", "batch", "lr", "seconds")}
    chosen = training_sets(train.data, train.pairs, model, loss)
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
    if run.method in UNTRAINED:
        return model, 0.0

    def train() -> Trained:
        started = time.perf_counter()
        _train(run, model)
        return model.state_dict(), {"seconds": time.perf_counter() - started}

    tensors, notes = load_or_train(run.shared.get("training", ""), train)
    model.load_state_dict(tensors)
    return model.eval(), notes["seconds"]


def _cut(run: MatryoshkaRun, model: SentenceTransformer) -> SentenceTransformer:
    """The sub-model of the run's size, by the run's rule of which dimensions to keep."""
    size = tuple(run.size)
    if run.method == "separate":
        return model
    width = model[0].auto_model.config.hidden_size
    if run.method == "random_dims":
        order = numpy_generator(run.seed, "random dims").permutation(width)
        return sub_model(model, size, np.eye(width, dtype=np.float32)[:, order])
    if run.method == "pca":
        return sub_model(model, size, *_principal(run, model, size))
    return sub_model(model, size)


def _principal(
    run: MatryoshkaRun, model: SentenceTransformer, size: Size
) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes [width, width] and mean of the pooled vectors of training documents."""
    shallow = first_layers(model, size[0])
    pooled = SentenceTransformer(modules=[shallow[0], shallow[1]], device=str(model.device))
    pooled.max_seq_length = run.length
    texts = docs_pairs(run.train.pairs)[1][: run.train.principal]
    vectors = encode.encode(pooled, texts).astype(np.float64)
    mean = vectors.mean(axis=0)
    _, axes = np.linalg.eigh((vectors - mean).T @ (vectors - mean))
    return axes[:, ::-1].astype(np.float32), mean.astype(np.float32)


def work(run: MatryoshkaRun, progress: Progress) -> Outcome:
    """Train by the run's loss, cut to its size, save, load with the library alone, judge.

    Runs of one loss and seed share a training.
    """
    seed_everything(run.seed)
    model, seconds = _trained(run)
    progress(0.5, "judging")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "encoder"
        _cut(run, model).save(str(folder))
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
