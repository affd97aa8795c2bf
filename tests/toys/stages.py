"""The stages of dvc.yaml with their templates resolved, and what their commands execute."""

import ast
import shlex
from pathlib import Path

from dvc.repo import Repo

from embedstudy.core import catalogue, paths

LIB = Path("lib/embedstudy")


def stages():
    """Name -> (modules and notebooks that it executes, deps, outs), templates resolved."""
    found = {}
    with Repo(str(paths.ROOT)) as repo:
        for stage in repo.index.stages:
            if not stage.cmd or not hasattr(stage, "name"):
                continue
            commands = [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd
            deps = [Path(str(dep)) for dep in stage.deps if not str(dep).startswith("params.yaml")]
            outs = [Path(str(out)) for out in stage.outs]
            found[stage.name] = (commands, [relative(d) for d in deps], [relative(o) for o in outs])
    return found


def relative(path):
    return path.relative_to(paths.ROOT) if path.is_absolute() else path


STAGES = stages()


def executed(commands):
    """The modules and notebooks that commands like ``python -m module notebook`` execute."""
    for command in commands:
        words = shlex.split(command)
        module = words[words.index("-m") + 1]
        yield module
        if module == "embedstudy.pipeline.execute":
            yield paths.NOTEBOOKS / f"{catalogue.find(words[-1]).notebook}.ipynb"


def holds_code(path):
    """Whether a module does more than say what its package is."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    plain = all(isinstance(line, ast.Expr | ast.Assign) for line in body)
    return path.name != "__init__.py" or not plain


def covered(path, deps):
    return any(path.is_relative_to(dep) for dep in deps)
