"""Checking values against rules, with errors that say what is allowed."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from embedstudy.core.errors import StudyError


@dataclass(frozen=True)
class Number:
    """A rule: a number in [low, high], or in (low, high] when ``above`` is set."""

    low: float = float("-inf")
    high: float = float("inf")
    above: bool = False
    whole: bool = False

    def accepts(self, value: Any) -> bool:
        kinds = int if self.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"{'above' if self.above else 'from'} {self.low:g}" if self.low > -1e300 else ""
        high = f"{'and at most' if low else 'at most'} {self.high:g}" if self.high < 1e300 else ""
        return " ".join(filter(None, (kind, low, high)))


@dataclass(frozen=True)
class Mapping:
    """A rule: a map from names of the user's choice to values that obey ``rule``."""

    rule: Any


_KINDS = {bool: "true or false", str: "text", list: "a list", dict: "a map", object: "anything"}


def describe(rule: Any) -> str:
    """The rule in words, for error messages."""
    if rule in (int, float):
        return str(Number(whole=rule is int))
    if rule is None:
        return "null"
    if isinstance(rule, tuple):
        return " or ".join(map(describe, rule))
    if isinstance(rule, set | frozenset):
        return f"one of {', '.join(map(str, sorted(rule)))}"
    if isinstance(rule, list):
        return f"a list, each entry {describe(rule[0])}"
    if isinstance(rule, Mapping | dict):
        return "a map"
    return str(rule) if isinstance(rule, Number) else _KINDS[rule]


def _accepts(value: Any, rule: Any) -> bool:
    if rule is None:
        return value is None
    if isinstance(rule, tuple):
        return any(_accepts(value, one) for one in rule)
    if rule in (int, float):
        return Number(whole=rule is int).accepts(value)
    if isinstance(rule, set | frozenset):
        return isinstance(value, str) and value in rule
    if isinstance(rule, Number):
        return rule.accepts(value)
    if isinstance(rule, list):
        return isinstance(value, list) and all(_accepts(entry, rule[0]) for entry in value)
    return isinstance(value, dict if isinstance(rule, dict | Mapping) else rule)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the name that was probably meant, or all there are."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known are {', '.join(known)}." if known else "there are none here."


def check(values: dict, schema: dict, where: str = "params.yaml: ", required: bool = False) -> None:
    """Raise ``StudyError`` for the first value that disobeys ``schema``.

    ``schema`` maps each name to a rule: a type (``float`` takes whole numbers too), ``None`` for
    null, ``Number`` for a range, a set of strings for a choice, ``[rule]`` for a list, ``Mapping``
    for free names, a dict for a nested schema, a tuple of rules for alternatives. ``where`` begins
    the message and the full name of the key. ``required``: every name of the schema must be given.
    """
    for name in values:
        if name not in schema:
            raise StudyError(f"{where}{name} is not a parameter: {nearest(name, schema)}")
    for name in schema:
        if required and name not in values:
            raise StudyError(f"{where}{name} is missing: it must be {describe(schema[name])}.")
    for name, value in values.items():
        _check_one(value, schema[name], f"{where}{name}")


def _check_one(value: Any, rule: Any, where: str) -> None:
    if not _accepts(value, rule):
        raise StudyError(f"{where} is {value!r}: it must be {describe(rule)}.")
    if isinstance(rule, dict):
        check(value, rule, f"{where}.")
    elif isinstance(rule, Mapping):
        for name, entry in value.items():
            _check_one(entry, rule.rule, f"{where}.{name}")
    elif isinstance(rule, list):
        for entry in value:
            _check_one(entry, rule[0], f"{where}[]")
