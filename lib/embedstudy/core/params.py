"""The parameters of the study: ``params.yaml``, one section a stage in each profile.

    profile: quick        # which of the sections below is used
    device: auto          # auto | cpu | cuda
    workers: auto         # processes of a grid; 0 runs it inside the notebook, for debugging
    quick:
      baselines: {budgets: [0.5, 0.1], seeds: [0]}

``python -m embedstudy.core.params`` checks all of it, against the notebooks too.
"""

import ast
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import Mapping, Number, check, describe, nearest

PROFILES = ("smoke", "quick", "full")


# -- reading the file -----------------------------------------------------------------------------
class _Loader(yaml.SafeLoader):
    """YAML as DVC reads it: 1e-3 is a number, and a key may not occur twice."""

    def get_single_node(self) -> yaml.Node:
        node = super().get_single_node()
        _refuse_repeated_keys(node, set())
        return node


def _refuse_repeated_keys(node: yaml.Node | None, seen: set[int]) -> None:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    names = set()
    for entry in node.value:
        key, value = entry if isinstance(node, yaml.MappingNode) else (None, entry)
        if key is not None and key.value in names:
            line = key.start_mark.line + 1
            raise yaml.YAMLError(f"line {line}: '{key.value}' occurs a second time in its map")
        names.add(key and key.value)
        _refuse_repeated_keys(value, seen)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_TOP = {
    "profile": set(PROFILES),
    "device": {"auto", "cpu", "cuda"},
    "workers": (Number(0, 1024, whole=True), {"auto"}),
    **dict.fromkeys(PROFILES, dict),
}


def load(path: Path | None = None) -> dict:
    """All of ``params.yaml``, checked except for what only a stage can know."""
    path = path or paths.ROOT / "params.yaml"
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict):
        raise StudyError(f"{path} must be a map with the keys {', '.join(_TOP)}.")
    check(values, _TOP, f"{path.name}: ", required=True)
    names = {name: profile for profile in PROFILES for name in values[profile]}
    for name, profile in names.items():
        lacking = next((p for p in PROFILES if name not in values[p]), None)
        if lacking:
            raise StudyError(
                f"{path.name}: {profile}.{name} has no counterpart in {lacking}: "
                f"{nearest(name, values[lacking])}"
            )
    return values


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


# -- chapters -------------------------------------------------------------------------------------
def section_name(chapter: str) -> str:
    """The section of a chapter: its name, outside of tables after that of its folder.

    >>> section_name("tables/12-sharing-rows"), section_name("codes/30-fewer-bits")
    ('sharing_rows', 'codes_fewer_bits')
    """
    folder, _, name = chapter.rpartition("/")
    name = re.sub(r"^\d+-", "", name).replace("-", "_")
    return name if folder in ("", "tables") else f"{folder}_{name}"


def notebook_defaults(notebook: Path) -> dict[str, Any]:
    """The parameters that a notebook takes, with the values its ``parameters`` cell gives them."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    defaults = {}
    for statement in ast.parse("".join("".join(c["source"]) + "\n" for c in tagged)).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            try:
                defaults[name] = ast.literal_eval(statement.value)
            except ValueError as error:
                raise StudyError(f"{notebook}: parameter '{name}' must be a literal.") from error
    return defaults


def rule_like(default: Any) -> Any:
    """The rule that a notebook's default value implies for what may replace it.

    A list's entries must be of the kinds of the default's entries. A dict whose values are all of
    one kind is a map from free names; one of mixed kinds is a record, whose names are fixed.
    """
    if default is None:
        return object
    if isinstance(default, list):
        kinds = tuple({describe(r): r for r in map(rule_like, default)}.values())
        return [kinds if len(kinds) > 1 else kinds[0]] if kinds else list
    if isinstance(default, dict):
        rules = {name: rule_like(value) for name, value in default.items()}
        kinds = {describe(rule): rule for rule in rules.values()}
        if len(kinds) > 1:
            return rules
        return Mapping(next(iter(kinds.values()))) if kinds else dict
    return type(default)


# Parameters that mean the same in every chapter, with rules that a default alone cannot tell.
_STRICTER = {
    "budgets": [Number(0, 1, above=True)],
    "dim": Number(1, whole=True),
    "resamples": Number(2, whole=True),
}


def chapter_parameters(chapter: str, chosen: str | None = None) -> dict:
    """What a profile gives a chapter, checked against what its notebook takes.

    That is its own section and, for names that section leaves out, the section of its folder,
    which the chapters of a folder share: of that, each takes what its notebook knows.
    """
    defaults = notebook_defaults(paths.NOTEBOOKS / f"{chapter}.ipynb")
    name, values = section_name(chapter), load()
    chosen = chosen or values["profile"]
    if not defaults and name not in values[chosen]:
        return {}
    given = section(name, chosen)
    rules = {key: rule_like(value) for key, value in defaults.items()}
    rules |= {key: rule for key, rule in _STRICTER.items() if key in rules}
    check(given, rules, f"params.yaml: {chosen}.{name}.")
    folder = chapter.rpartition("/")[0]
    shared = values[chosen].get(folder, {}) if folder else {}
    if shared:
        _check_shared(folder, shared, chosen)
    inherited = {key: value for key, value in shared.items() if key in rules}
    check(inherited, rules, f"params.yaml: {chosen}.{folder}.")
    return inherited | given


def _check_shared(folder: str, shared: dict, chosen: str) -> None:
    """Raise for a name in a folder's section that none of its chapters takes."""
    known = set()
    for chapter in chapters():
        if chapter.startswith(f"{folder}/"):
            known |= notebook_defaults(paths.NOTEBOOKS / f"{chapter}.ipynb").keys()
    for key in shared:
        if key not in known:
            hint = nearest(key, known)
            raise StudyError(f"params.yaml: {chosen}.{folder}.{key} is not a parameter: {hint}")


def chapters() -> list[str]:
    """Every chapter in reading order, such as ``tables/11-baselines``."""
    found = [path.relative_to(paths.NOTEBOOKS) for path in paths.NOTEBOOKS.rglob("*.ipynb")]
    kept = [path.with_suffix("") for path in found if ".ipynb_checkpoints" not in path.parts]
    return [path.as_posix() for path in sorted(kept, key=lambda path: path.name)]


def main() -> None:
    device = resolve_device()
    workers = resolve_workers(None, device)
    for chapter in chapters():
        for chosen in PROFILES:
            chapter_parameters(chapter, chosen)
    print(f"Profile {profile()}, device {device}, workers {workers}.")


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
