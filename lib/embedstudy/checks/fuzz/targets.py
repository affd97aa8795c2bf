"""Everything that reads a file which somebody else wrote, by the module that makes its inputs."""

import importlib

from embedstudy.checks.fuzz.judge import Target

MODULES = (
    "settings_files",
    "own_tables",
    "clicks",
    "texts",
    "artefacts",
    "notebooks",
    "encoders",
)


def of(module: str) -> tuple[Target, ...]:
    """The targets of a module of this package."""
    return importlib.import_module(f"embedstudy.checks.fuzz.{module}").TARGETS


def module_of(name: str) -> str:
    """The module of a target."""
    return next(module for module in MODULES if name in {one.name for one in of(module)})


def all_targets() -> dict[str, Target]:
    """Every target by name."""
    return {target.name: target for module in MODULES for target in of(module)}
