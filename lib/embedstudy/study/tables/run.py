"""One run of the place ``tables``: build a table within a budget, train it, serve it, measure it."""

import importlib
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.core.seeding import derive, seed_everything
from embedstudy.measure import quality
from embedstudy.study.engine.outcome import Outcome, Progress, groups_of
from embedstudy.study.tables.data import CtrData, load_ctr
from embedstudy.study.tables.full_table import full_table
from embedstudy.study.tables.phases import any_budget
from embedstudy.study.tables.train import Model, Trainer, Uncompressed, predict
from embedstudy.study.tables.types import TableRun
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table, TableSpec
from embedstudy.tables.core.resident import resident_bytes
from embedstudy.tables.reference.full import Full

_SMALLEST_SLICE = 100  # events; the AUC of fewer is noise and is left out


def method_class(family: str, method: str) -> type[Table]:
    """The class of a method, found through its family's list."""
    try:
        methods = importlib.import_module(f"embedstudy.tables.{family}.methods").METHODS
    except ModuleNotFoundError as error:
        raise StudyError(f"There is no family of tables called '{family}'.") from error
    if method not in methods:
        raise StudyError(
            f"Unknown method '{method}' in family '{family}': choose one of {', '.join(methods)}."
        )
    return methods[method]


def backbone_class(name: str) -> type[torch.nn.Module]:
    """The class of a backbone."""
    backbones = importlib.import_module("embedstudy.backbones").BACKBONES
    if name not in backbones:
        raise StudyError(f"Unknown backbone '{name}': choose one of {', '.join(backbones)}.")
    return backbones[name]


# -- what the engine asks -------------------------------------------------------------------------
def sources(run: TableRun) -> list[str]:
    """The modules that a run loads by name; its record depends on their source."""
    method = method_class(run.family, run.method)
    return [method.__module__, backbone_class(run.backbone).__module__]


def shares(run: TableRun) -> dict[str, tuple[dict, list[str]]]:
    """The trainings that a run shares with others.

    ``full``: that of the full table, the same for all methods that start from it; ``phases``: those
    phases of its method that are the same for every budget.
    """
    names = ("dataset", "backbone", "seed", "dim", "init_std", "train", "backbone_options")
    identity = run.identity()
    own = {name: value for name, value in identity.items() if name not in ("budget", "label")}
    full = {name: identity[name] for name in names}
    backbone = [backbone_class(run.backbone).__module__]
    return {"full": (full, backbone), "phases": (own, sources(run))}


def labels(run: TableRun) -> dict[str, np.ndarray]:
    """The test labels of the run's data set and, where events come in clusters, whose each is."""
    data = load_ctr(run.dataset)
    groups = {} if data.groups is None else {groups_of(run.dataset): data.groups}
    return {run.dataset: data.test.labels.numpy()} | groups


def check(run: TableRun) -> None:
    """Raise ``StudyError`` if the run cannot start, before any long work."""
    options = method_class(run.family, run.method).options()
    wrong = sorted(set(run.options) - set(options))
    if wrong:
        raise StudyError(
            f"Method '{run.method}' has no option '{wrong[0]}': "
            f"it takes {', '.join(options) or 'none'}."
        )
    backbone_class(run.backbone)
    if not 0 < run.budget <= 1:
        raise StudyError(
            f"Budget {run.budget} of method '{run.method}' is impossible: a budget is a "
            "fraction of the fp32 table, above 0 and at most 1."
        )


def twin(run: TableRun) -> dict | None:
    """What is trained: budgets that buy the same sizes train the same model.

    None where the sizes are found in training, and where no size fits.
    """
    cls = method_class(run.family, run.method)
    if cls.sized_in_training:
        return None
    spec = _spec(run, load_ctr(run.dataset))
    try:
        sizes = cls.plan(spec, _budget(run, spec), run.seed, **run.options)
    except InfeasibleBudget:
        return None
    identity = run.identity()
    del identity["budget"]
    return identity | {"sizes": sizes}


def of_twin(run: TableRun, other: TableRun, outcome: Outcome) -> Outcome:
    """The outcome of ``run``, whose budget buys the same sizes as that of ``other``."""
    spec = _spec(run, load_ctr(run.dataset))
    budget, size = _budget(run, spec), outcome.result["serve_bytes"]
    cls = method_class(run.family, run.method)
    own = {"budget_bytes": budget, "budget_note": _why_less(cls, size, budget)}
    result = outcome.result | own | {"same_as_budget": other.budget}
    return replace(outcome, result=result)


# -- building -------------------------------------------------------------------------------------
def _spec(run: TableRun, data: CtrData) -> TableSpec:
    return data.spec(backbone_class(run.backbone).table_dim(run.dim), run.init_std)


def _model(cls: type[Table], run: TableRun, data: CtrData, options: dict) -> Model:
    """The model of a run with a table of ``cls`` in it."""
    spec = _spec(run, data)
    table = cls.build(spec, _budget(run, spec), run.seed, **options)
    # Module constructors draw from the global generator.
    torch.manual_seed(derive(run.seed, "backbone"))
    backbone = backbone_class(run.backbone)(len(data.fields), run.dim, **run.backbone_options)
    return Model(table, backbone).to(run.device)


def _budget(run: TableRun, spec: TableSpec) -> int:
    return int(run.budget * spec.full_bytes)


def _uncompressed(run: TableRun, data: CtrData, progress: Progress) -> Uncompressed:
    """The trained full table of the run's seed, from the record if there is one."""

    def train() -> Uncompressed:
        # Dropout draws from the global generator: a run goes on alike whether this one was
        # trained just now or read from disk.
        with torch.random.fork_rng():
            model = _model(Full, run, data, {})
            fit = Trainer(model, data, run.train, run.seed, progress).fit("full")
        return Uncompressed(model.table.rows, model.backbone.state_dict(), fit)

    return full_table(run.shared.get("full", ""), train)


def _serve(model: Model, data: CtrData) -> tuple[Model, bytes]:
    """The model with its table replaced by the one read back from the file a server loads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.safetensors"
        artefact.save(model.table.eval().compact(), path)
        served = artefact.load(path).to(data.test.ids.device)
        return Model(served, model.backbone), path.read_bytes()


def _quality(served: Model, data: CtrData) -> tuple[dict, np.ndarray]:
    """Metrics on validation and test, and the test probabilities fp32 [N]."""
    result, arrays = {}, {}
    for name, split in (("valid", data.valid), ("test", data.test)):
        labels = split.labels.cpu().numpy()
        scores = predict(served, split).sigmoid().cpu().numpy()
        if not np.isfinite(scores).all():
            raise StudyError(f"The served table gives non-finite predictions on {name}.")
        result[f"{name}_auc"] = quality.auc(labels, scores)
        result[f"{name}_logloss"] = quality.logloss(labels, scores)
        arrays[name] = labels, scores
    labels, scores = arrays["test"]
    starts = np.cumsum([0, *data.field_rows[:-1]])
    masks = quality.slices(
        data.counts.numpy(), data.test.ids.cpu().numpy(), data.test.unseen.cpu().numpy(), starts
    )
    for name, mask in masks.items():
        enough = mask.sum() >= _SMALLEST_SLICE
        result[f"test_auc_{name}"] = quality.auc(labels[mask], scores[mask]) if enough else None
    return result, scores


def _sizes(run: TableRun, trainer: Trainer, size: int) -> dict:
    """Bytes and epochs of a run; train bytes are those of its largest phase."""
    fits = trainer.fits
    return {
        "serve_bytes": size,
        "budget_bytes": trainer.budget,
        "budget_note": _why_less(method_class(run.family, run.method), size, trainer.budget),
        "full_bytes": trainer.spec.full_bytes,
        "train_bytes": max(fit.train_bytes for fit in fits),
        "epochs": sum(fit.epochs for fit in fits),
        "best_epoch": fits[-1].best_epoch,
        "phases": ", ".join(f"{fit.phase} {fit.epochs}" for fit in fits),
        "same_as_budget": None,
    }


def _why_less(cls: type[Table], size: int, budget: int) -> str | None:
    """Why a run leaves more than a tenth of its budget unused, or None if it does not."""
    if size >= 0.9 * budget:
        return None
    return f"uses {size / budget:.0%} of the budget: {cls.why_less}"


def work(run: TableRun, progress: Progress) -> Outcome:
    """Train, compact, reload and measure. Quality is that of the *reloaded* file."""
    seed_everything(run.seed)
    data = load_ctr(run.dataset, run.device)
    cls = method_class(run.family, run.method)
    model, spec = _model(cls, run, data, run.options), _spec(run, data)
    trainer = Trainer(
        model,
        data,
        run.train,
        run.seed,
        progress,
        spec=spec,
        budget=_budget(run, spec),
        uncompressed=lambda: _uncompressed(run, data, progress),
        once=lambda phase, train: any_budget(run.shared.get("phases", ""), phase, model, train),
    )
    started = time.perf_counter()
    model.table.recipe(trainer)
    seconds = time.perf_counter() - started + trainer.saved_seconds
    served, file = _serve(model, data)
    if len(file) > trainer.budget and not issubclass(cls, Full):
        raise StudyError(f"The file takes {len(file):,} bytes, more than its {trainer.budget:,}.")
    result, scores = _quality(served, data)
    result |= _sizes(run, trainer, len(file)) | {
        "resident_bytes": resident_bytes(served.table),
        "rows": sum(data.field_rows),
        "versions": f"torch {torch.__version__}, numpy {np.__version__}",
    }
    costs = {
        "train_seconds": seconds,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return Outcome(result, costs, {"test": scores}, {"table.safetensors": file})
