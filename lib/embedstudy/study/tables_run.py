"""One run of the place ``tables``: build a table within a budget, train it, serve it, measure it."""

import importlib
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch

from embedstudy.errors import StudyError
from embedstudy.measure import quality
from embedstudy.measure.latency import lookup_microseconds
from embedstudy.seeding import derive, seed_everything
from embedstudy.study.data import CtrData, load_ctr
from embedstudy.study.outcome import Outcome
from embedstudy.study.train import Fit, Model, Progress, TrainConfig, fit, predict
from embedstudy.tables import artefact
from embedstudy.tables.base import Table

_SMALLEST_SLICE = 100  # events; the AUC of fewer is noise and is left out
_TRAIN_KEYS = set(TrainConfig.__dataclass_fields__)


def method_class(family: str, method: str) -> type[Table]:
    """The class of a method, found through its family's registry."""
    try:
        methods = importlib.import_module(f"embedstudy.tables.{family}").METHODS
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


def _build(run: dict, data: CtrData) -> tuple[Model, int, int]:
    """The model, the budget in bytes and the bytes of the fp32 table."""
    shape = backbone_class(run["backbone"])
    spec = data.spec(shape.table_dim(run["dim"]), run["init_std"])
    budget = int(run["budget"] * spec.full_bytes)
    cls = method_class(run["family"], run["method"])
    table = cls.build(spec, budget, run["seed"], **run["options"])
    # Module constructors draw from the global generator.
    torch.manual_seed(derive(run["seed"], "backbone"))
    backbone = shape(len(data.fields), run["dim"], **run["backbone_options"])
    return Model(table, backbone).to(run["device"]), budget, spec.full_bytes


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


def _costs(served: Model, data: CtrData, trained: Fit) -> dict:
    ids = data.test.ids
    return {
        "train_seconds": trained.seconds,
        "lookup_us_1": lookup_microseconds(served.table, ids[:1]),
        "lookup_us_4096": lookup_microseconds(served.table, ids[:4096]),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _why_less(run: dict, size: int, budget: int) -> str | None:
    """Why a run leaves more than a tenth of its budget unused, or None if it does not."""
    if size >= 0.9 * budget:
        return None
    return (
        f"uses {size / budget:.0%} of the budget: sizes of {run['method']} come in steps, and the "
        "next larger one does not fit"
    )


def work(run: dict, progress: Progress) -> Outcome:
    """Train, compact, reload and measure. Quality is that of the *reloaded* file.

    ``run``: see ``embedstudy.study.grid``; besides the identity of the run it names ``dim`` (of
    the vectors), ``init_std``, ``events`` (subset of the data set, or None), ``min_count``,
    ``backbone_options``, ``train`` and ``device``.
    """
    seed_everything(run["seed"])
    data = load_ctr(run["dataset"], run["events"], run["min_count"], run["device"])
    model, budget, full = _build(run, data)
    trained = fit(model, data, TrainConfig(**run["train"]), run["seed"], progress)
    served, file = _serve(model, data)
    if len(file) > budget and run["budget"] < 1:
        raise StudyError(f"The file takes {len(file):,} bytes, more than its {budget:,}.")
    result, scores = _quality(served, data)
    result |= {
        "serve_bytes": len(file),
        "budget_bytes": budget,
        "budget_note": _why_less(run, len(file), budget),
        "full_bytes": full,
        "train_bytes": trained.train_bytes,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "rows": sum(data.field_rows),
        "versions": f"torch {torch.__version__}, numpy {np.__version__}",
    }
    return Outcome(
        result, _costs(served, data, trained), {"test": scores}, {"table.safetensors": file}
    )
