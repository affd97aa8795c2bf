"""Which classes a file may name as its server: the tables that the modules of the families define.

A file is data from anybody. What its header names is looked up here and nowhere else, so reading one
imports no module but a family's own and calls no class but a table's.
"""

import importlib
import pkgutil
import re

from torch import nn

from embedstudy import tables
from embedstudy.core.errors import StudyError

_NAME = re.compile(r"tables\.([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*):([A-Za-z][A-Za-z0-9_]*)")


def families() -> list[str]:
    """The families by name: the packages of tables that have a list of methods."""
    names = [one.name for one in pkgutil.iter_modules(tables.__path__) if one.ispkg]
    return [name for name in names if "methods" in modules(name)]


def modules(family: str) -> list[str]:
    """The names of the modules of a package of tables."""
    package = importlib.import_module(f"{tables.__name__}.{family}")
    return [one.name for one in pkgutil.iter_modules(package.__path__) if not one.ispkg]


def find(server: str) -> type[nn.Module]:
    """The table's class that is called ``server``, such as "tables.sharing_rows.qr:QR".

    Raises ``StudyError`` for any other name.
    """
    match = _NAME.fullmatch(server)
    if match and match[1] in families() and match[2] in modules(match[1]):
        module = importlib.import_module(f"{tables.__name__}.{match[1]}.{match[2]}")
        found = vars(module).get(match[3])
        own = isinstance(found, type) and found.__module__ == module.__name__
        if own and issubclass(found, nn.Module) and hasattr(found, "restore"):
            return found
    raise StudyError(f"{server[:80]!r} is no class of embedstudy that serves a table")
