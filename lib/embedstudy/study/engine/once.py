"""Trainings that several runs share: done once, kept on disk, keyed by all that they depend on.

The engine gives such runs common keys (``Run.shared``), so a file is never out of date; removing
``.cache/trained`` costs time and changes no result.
"""

import json
from collections.abc import Callable

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from embedstudy.core import files, paths

Trained = tuple[dict[str, Tensor], dict]  # tensors by name, JSON-safe notes
_NOTES = "notes"


def load_or_train(key: str, train: Callable[[], Trained]) -> Trained:
    """What ``train()`` gives, from disk if it was kept under ``key`` before; no key keeps nothing.

    Of several processes that ask at once, one trains and the others wait for it.
    """
    if not key:
        return train()
    path = paths.RUNS.parent / "trained" / f"{key}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        found = _read(path)
        if found is None:
            found = train()
            tensors = {n: t.detach().cpu().contiguous() for n, t in found[0].items()}
            with files.replacing(path) as scratch:
                save_file(tensors, scratch, metadata={_NOTES: json.dumps(found[1])})
    return found


def _read(path) -> Trained | None:
    """The record at ``path``; None if there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads(file.metadata()[_NOTES])
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError, ValueError):
        return None
