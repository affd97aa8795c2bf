"""One run of the place ``tables``: build a table within a budget, train it, serve it, measure it."""

import importlib
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive, seed_everything
from embedstudy.measure import quality
from embedstudy.study.engine import imports
from embedstudy.study.engine.fingerprint import hash_data
from embedstudy.study.engine.outcome import Outcome
from embedstudy.study.tables.data import CtrData, load_ctr
from embedstudy.study.tables.full_table import load_or_train
from embedstudy.study.tables.train import (
    Model,
    Progress,
    TrainConfig,
    Trainer,
    Uncompressed,
    predict,
)
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table, TableSpec
from embedstudy.tables.reference.full import Full

_SMALLEST_SLICE = 100  # events; the AUC of fewer is noise and is left out
_TRAIN_KEYS = set(TrainConfig.__dataclass_fields__)


def method_class(family: str, method: str) -> type[Table]:
    """The class of a method, found through its family's registry."""
    try:
        methods = importlib.import_module(f"embedstudy.tables.families.{family}").METHODS
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


def sources(run: dict) -> list[str]:
    """The modules that a run loads by name; its record depends on their source."""
    method = method_class(run["family"], run["method"])
    return [method.__module__, backbone_class(run["backbone"]).__module__]


def check(run: dict) -> None:
    """Raise ``StudyError`` if the run cannot start, before any long work."""
    known = method_class(run["family"], run["method"]).options()
    wrong = sorted(set(run["options"]) - set(known))
    if wrong:
        raise StudyError(
            f"Method '{run['method']}' has no option '{wrong[0]}': "
            f"it takes {', '.join(known) or 'none'}."
        )
    backbone_class(run["backbone"])
    unknown = set(run["train"]) - _TRAIN_KEYS
    if unknown:
        raise StudyError(
            f"Unknown training parameter '{min(unknown)}': choose from {', '.join(sorted(_TRAIN_KEYS))}."
        )
    if run["train"].get("monitor", "logloss") not in ("logloss", "auc"):
        raise StudyError(f"train.monitor is {run['train']['monitor']!r}: choose logloss or auc.")
    if not 0 < run["budget"] <= 1:
        raise StudyError(
            f"Budget {run['budget']} of method '{run['method']}' is impossible: a budget is a "
            "fraction of the fp32 table, above 0 and at most 1."
        )


def _model(cls: type[Table], run: dict, data: CtrData, options: dict) -> tuple[Model, TableSpec]:
    """The model of a run with a table of ``cls`` in it, and what that table must serve."""
    shape = backbone_class(run["backbone"])
    spec = data.spec(shape.table_dim(run["dim"]), run["init_std"])
    table = cls.build(spec, _budget(run, spec), run["seed"], **options)
    # Module constructors draw from the global generator.
    torch.manual_seed(derive(run["seed"], "backbone"))
    backbone = shape(len(data.fields), run["dim"], **run["backbone_options"])
    return Model(table, backbone).to(run["device"]), spec


def _budget(run: dict, spec: TableSpec) -> int:
    return int(run["budget"] * spec.full_bytes)


def _uncompressed(run: dict, data: CtrData, progress: Progress) -> Uncompressed:
    """The trained full table of the run's seed, from the record if there is one."""
    names = ("dataset", "backbone", "seed", "dim", "init_std", "events", "min_count", "train")
    identity = {name: run[name] for name in (*names, "backbone_options", "device")}
    files = imports.run_sources(__name__, [backbone_class(run["backbone"]).__module__])
    identity |= {"data": hash_data(run["dataset"]), "source": imports.source_hash(files)}

    def train() -> Uncompressed:
        # Dropout draws from the global generator: a run goes on alike whether this one was
        # trained just now or read from disk.
        with torch.random.fork_rng():
            model, _ = _model(Full, run, data, {})
            config = TrainConfig(**run["train"])
            fit = Trainer(model, data, config, run["seed"], progress).fit("full")
        return Uncompressed(model.table.rows, model.backbone.state_dict(), fit)

    return load_or_train(identity, train)


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


def _sizes(run: dict, trainer: Trainer, size: int) -> dict:
    """Bytes and epochs of a run; train bytes are those of its largest phase."""
    fits = trainer.fits
    return {
        "serve_bytes": size,
        "budget_bytes": trainer.budget,
        "budget_note": _why_less(method_class(run["family"], run["method"]), size, trainer.budget),
        "full_bytes": trainer.spec.full_bytes,
        "train_bytes": max(fit.train_bytes for fit in fits),
        "epochs": sum(fit.epochs for fit in fits),
        "best_epoch": fits[-1].best_epoch,
        "phases": ", ".join(f"{fit.phase} {fit.epochs}" for fit in fits),
    }


def _why_less(cls: type[Table], size: int, budget: int) -> str | None:
    """Why a run leaves more than a tenth of its budget unused, or None if it does not."""
    if size >= 0.9 * budget:
        return None
    return f"uses {size / budget:.0%} of the budget: {cls.why_less}"


def work(run: dict, progress: Progress) -> Outcome:
    """Train, compact, reload and measure. Quality is that of the *reloaded* file.

    ``run``: see ``embedstudy.study.engine.grid``; besides the identity of the run it names ``dim`` (of
    the vectors), ``init_std``, ``events`` (subset of the data set, or None), ``min_count``,
    ``backbone_options``, ``train`` and ``device``.
    """
    seed_everything(run["seed"])
    data = load_ctr(run["dataset"], run["events"], run["min_count"], run["device"])
    cls = method_class(run["family"], run["method"])
    model, spec = _model(cls, run, data, run["options"])
    trainer = Trainer(
        model,
        data,
        TrainConfig(**run["train"]),
        run["seed"],
        progress,
        spec=spec,
        budget=_budget(run, spec),
        uncompressed=lambda: _uncompressed(run, data, progress),
    )
    started = time.perf_counter()
    model.table.recipe(trainer)
    seconds = time.perf_counter() - started + trainer.saved_seconds
    served, file = _serve(model, data)
    if len(file) > trainer.budget and cls is not Full:
        raise StudyError(f"The file takes {len(file):,} bytes, more than its {trainer.budget:,}.")
    result, scores = _quality(served, data)
    result |= _sizes(run, trainer, len(file)) | {
        "rows": sum(data.field_rows),
        "versions": f"torch {torch.__version__}, numpy {np.__version__}",
    }
    costs = {
        "train_seconds": seconds,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return Outcome(result, costs, {"test": scores}, {"table.safetensors": file})
