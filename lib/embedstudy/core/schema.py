"""Checking values against rules, with errors that say what is allowed."""

import reprlib
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from embedstudy.core.errors import StudyError, legible, nearest
from embedstudy.core.rules import Mapping, Number, Several

Settings = TypeVar("Settings")


_KINDS = {bool: "true or false", str: "text", list: "a list", dict: "a map", object: "anything"}
# A wrong value may be a whole file's worth of them: an error shows the beginning.
_SHOWN, _SHOWN_MOST = reprlib.Repr(), 400  # a value in a sentence, and its characters
_SHOWN.maxlevel, _SHOWN.maxlist, _SHOWN.maxdict = 3, 12, 8
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 80


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
    if isinstance(rule, Several):
        return f"a list of at least one entry, none twice, each {describe(rule.rule)}"
    if isinstance(rule, Mapping | dict):
        least = f" of at least {rule.least}" if isinstance(rule, Mapping) and rule.least else ""
        return f"a map{least}"
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
    if isinstance(rule, Several):
        distinct = isinstance(value, list) and all(v not in value[:i] for i, v in enumerate(value))
        return distinct and bool(value) and _accepts(value, [rule.rule])
    if isinstance(rule, Mapping):
        named = isinstance(value, dict) and all(isinstance(name, str) for name in value)
        return named and len(value) >= rule.least
    return isinstance(value, dict if isinstance(rule, dict) else rule)


def check(values: dict, schema: dict, where: str = "params.yaml: ", required: bool = False) -> None:
    """Raise ``StudyError`` for the first value that disobeys ``schema``.

    ``schema`` maps each name to a rule: a type (``float`` takes whole numbers too), ``None`` for
    null, ``Number`` for a range, a set of strings for a choice, ``[rule]`` for a list, ``Several``
    for one that is not empty, ``Mapping`` for free names, a dict for a nested schema, a tuple of
    rules for alternatives. ``where`` begins the message and the full name of the key.
    ``required``: every name of the schema must be given.
    """
    for name in values:
        if name not in schema:
            raise StudyError(
                f"{where}{legible(str(name))} is not a parameter: {nearest(name, schema)}"
            )
    for name in schema:
        if required and name not in values:
            raise StudyError(f"{where}{name} is missing: it must be {describe(schema[name])}.")
    for name, value in values.items():
        _check_one(value, schema[name], f"{where}{name}")


def _check_one(value: Any, rule: Any, where: str) -> None:
    if not _accepts(value, rule):
        raise StudyError(
            f"{where} is {_SHOWN.repr(value)[:_SHOWN_MOST]}: it must be {describe(rule)}."
        )
    if isinstance(rule, dict):
        check(value, rule, f"{where}.")
    elif isinstance(rule, Mapping):
        for name, entry in value.items():
            _check_one(entry, rule.rule, f"{where}.{legible(str(name))}")
    elif isinstance(rule, list | Several):
        for entry in value:
            _check_one(entry, rule[0] if isinstance(rule, list) else rule.rule, f"{where}[]")


# -- settings classes -----------------------------------------------------------------------------
def rules_of(cls: type) -> dict[str, Any]:
    """The rule of each field of a settings class: the one it names, else that of its type."""
    hints = get_type_hints(cls)
    return {f.name: f.metadata.get("rule", _rule_of(hints[f.name])) for f in fields(cls)}


def _rule_of(hint: Any) -> Any:
    origin, inside = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return rules_of(hint)
    if origin is list:
        return [_rule_of(inside[0])]
    if origin is dict:
        return Mapping(_rule_of(inside[1]))
    if origin in (Union, types.UnionType):
        return tuple(_rule_of(one) for one in inside)
    return None if hint is type(None) else hint


def read(cls: type[Settings], values: dict[str, Any], where: str = "") -> Settings:
    """The settings object that ``values`` describe, its own defaults for what they leave out.

    What concerns several fields at once, the class says itself: a ``StudyError`` that begins with
    the name of a field, raised in ``__post_init__``.

    Raises ``StudyError`` naming the first value that is wrong; ``where`` begins its name.
    """
    check(values, rules_of(cls), where)
    for f in fields(cls):
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise StudyError(
                f"{where}{f.name} is missing: it must be {describe(rules_of(cls)[f.name])}."
            )
    hints = get_type_hints(cls)
    given = {
        name: read(hints[name], value, f"{where}{name}.") if is_dataclass(hints[name]) else value
        for name, value in values.items()
    }
    try:
        return cls(**given)
    except StudyError as error:
        raise StudyError(f"{where}{error}") from None
