"""The parameters of the study: ``params.yaml``, one section a chapter in each profile.

    profile: quick        # which of the sections below is used
    device: auto          # auto | cpu | cuda
    workers: auto         # processes of a grid; 0 runs it inside the notebook, for debugging
    quick:
      encoders:
        baseline: {tasks: {docs: {queries: 100}}}

``python -m embedstudy.pipeline.chapters`` checks all of it.
"""

import copy
import functools
import os
from pathlib import Path

from embedstudy.core import paths, yaml_file
from embedstudy.core.errors import StudyError, nearest
from embedstudy.core.rules import Number
from embedstudy.core.schema import check, describe

PROFILES = ("smoke", "quick", "full")


# -- reading the file -----------------------------------------------------------------------------
_TOP = {
    "profile": set(PROFILES),
    "device": {"auto", "cpu", "cuda"},
    "workers": (Number(0, 1024, whole=True), {"auto"}),
    **dict.fromkeys(PROFILES, dict),
}


def load(path: Path | None = None) -> dict:
    """All of ``params.yaml``, checked except for what only a stage can know."""
    path = path or paths.ROOT / "params.yaml"
    status = path.stat() if path.is_file() else None
    return copy.deepcopy(_load(path, status and (status.st_mtime_ns, status.st_size)))


@functools.lru_cache(maxsize=4)
def _load(path: Path, stamp: tuple | None) -> dict:
    values = yaml_file.read(path)
    if not isinstance(values, dict):
        raise StudyError(f"{path} must be a map with the keys {', '.join(_TOP)}.")
    check(values, _TOP, f"{path.name}: ", required=True)
    _same_sections({p: values[p] for p in PROFILES}, path.name, "")
    return values


_NESTED = ("prepare", "tables", "encoders", "codes")  # sections that hold sections


def _same_sections(profiles: dict[str, dict], file: str, prefix: str) -> None:
    """Raise ``StudyError`` for a section that one profile has and another has not."""
    names = {name: profile for profile, sections in profiles.items() for name in sections}
    for name, profile in names.items():
        lacking = next((p for p, sections in profiles.items() if name not in sections), None)
        if lacking:
            raise StudyError(
                f"{file}: {profile}.{prefix}{name} has no counterpart in {lacking}: "
                f"{nearest(name, profiles[lacking])}"
            )
        inner = {p: sections[name] for p, sections in profiles.items()}
        if not prefix and name in _NESTED and all(isinstance(v, dict) for v in inner.values()):
            _same_sections(inner, file, f"{name}.")


def profile() -> str:
    """The chosen profile: smoke, quick or full."""
    return load()["profile"]


def section(dotted: str, chosen: str | None = None) -> dict:
    """The parameters of a stage, by dotted name, in the chosen profile unless one is named."""
    values = load()
    where = chosen or values["profile"]
    node = values[where]
    for part in dotted.split("."):
        if not isinstance(node, dict) or part not in node:
            known = node if isinstance(node, dict) else ()
            raise StudyError(f"params.yaml: {where} has no '{part}': {nearest(part, known)}")
        node, where = node[part], f"{where}.{part}"
    if not isinstance(node, dict):
        raise StudyError(f"params.yaml: {where} is {node!r}: it must be a map.")
    return node


# -- machine --------------------------------------------------------------------------------------
def resolve_device(name: str | None = None) -> str:
    """``cpu`` or ``cuda`` for a name of ``params.yaml``; without a name, the one it holds."""
    name = load()["device"] if name is None else name
    if name not in _TOP["device"]:
        raise StudyError(f"The device is {name!r}: it must be {describe(_TOP['device'])}.")
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise StudyError(
            "The device is 'cuda', but torch finds no CUDA GPU here: "
            "write 'device: auto' in params.yaml or install the CUDA build of torch."
        )
    return "cpu"


def resolve_workers(workers: int | str | None = None, device: str = "cpu") -> int:
    """Number of worker processes; ``auto`` is one a core this process may use, one on a GPU."""
    workers = load()["workers"] if workers is None else workers
    check({"workers": workers}, {"workers": _TOP["workers"]}, "")
    if workers != "auto":
        return workers
    if device == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
