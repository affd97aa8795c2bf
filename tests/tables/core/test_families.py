"""Families are found, not named: what holds for every method that anybody adds."""

import importlib
import inspect
import pkgutil

import pytest
from recipes import family_packages, listed_methods

from embedstudy.tables.core.base import Table

UNLISTED = {"kmeans_rows"}  # a control of word tables alone


def is_method(member: object, module: str) -> bool:
    """Whether a module defines ``member`` as a table that has a name and plans for a budget."""
    if not inspect.isclass(member) or member.__module__ != module:
        return False
    return hasattr(member, "method") and member.plan.__func__ is not Table.plan.__func__


def methods_in_code() -> dict[str, type[Table]]:
    """Every method that the modules of the families define, listed or not."""
    methods = {}
    for package in map(importlib.import_module, family_packages()):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            members = vars(importlib.import_module(module.name)).values()
            methods |= {m.method: m for m in members if is_method(m, module.name)}
    return methods


CODE = methods_in_code()


def test_families_are_the_folders_with_a_list():
    families = {name.rpartition(".")[2] for name in family_packages()}
    assert {"reference", "baselines", "sharing_rows", "fewer_bits"} <= families
    assert "core" not in families


def test_every_method_is_in_the_list_of_its_family():
    assert listed_methods() == {name: CODE[name] for name in CODE.keys() - UNLISTED}


def described(function, table: type[Table]) -> set[str]:
    """Arguments with a line of their own in the docstring of a method, or of ``Table``'s."""
    texts = [
        table.__doc__,
        function.__doc__,
        Table.__doc__,
        getattr(Table, function.__name__).__doc__,
    ]
    names = set()
    for text in filter(None, texts):
        for line in text.partition("Args:")[2].splitlines():
            names |= {name.strip() for name in line.partition(": ")[0].split(",")}
    return names


@pytest.mark.parametrize("name", sorted(CODE))
def test_every_argument_has_its_meaning_beside_it(name):
    table = CODE[name]
    for function in (table.__init__, table.plan):
        arguments = set(inspect.signature(function).parameters) - {"self"}
        assert not arguments - described(function, table), f"{table.__qualname__}"
