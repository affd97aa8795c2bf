"""The trained full table of a seed, kept on disk: methods that start from it share one training.

The key is all that its weights depend on (settings, data, source, versions), so a file is never
out of date; removing ``.cache/trained`` costs time and changes no result.
"""

import json
from collections.abc import Callable
from dataclasses import asdict

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from embedstudy.core import files, paths
from embedstudy.study.engine.store import digest
from embedstudy.study.tables.train import Fit, Uncompressed

_BACKBONE = "backbone."


def load_or_train(identity: dict, train: Callable[[], Uncompressed]) -> Uncompressed:
    """What ``train()`` gives, from disk if it was recorded under ``identity`` (JSON-safe) before.

    Of several processes that ask at once, one trains and the others wait for it.
    """
    versions = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    path = paths.RUNS.parent / "trained" / f"{digest(identity | versions)}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        found = _read(path)
        if found is None:
            found = train()
            _write(path, found)
    return found


def _write(path, found: Uncompressed) -> None:
    tensors = {_BACKBONE + name: t.cpu().contiguous() for name, t in found.backbone.items()}
    tensors["weight"] = found.weight.detach().cpu().contiguous()
    with files.replacing(path) as scratch:
        save_file(tensors, scratch, metadata={"fit": json.dumps(asdict(found.fit))})


def _read(path) -> Uncompressed | None:
    """The record at ``path``; None if there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            fit = Fit(**json.loads(file.metadata()["fit"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError):
        return None
    weight = tensors.pop("weight")
    return Uncompressed(weight, {n.removeprefix(_BACKBONE): t for n, t in tensors.items()}, fit)
