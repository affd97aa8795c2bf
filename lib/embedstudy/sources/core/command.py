"""``python -m embedstudy.sources.<data set>``: one data set of the study, by ``params.yaml``.

A module of such a set has a function ``prepare(source, out, *, …)`` that writes ``out``, and beside
it ``RULES``, what each of its keyword arguments may be. The arguments come from the section
``prepare.<name>`` of the chosen profile.
"""

import argparse
import errno
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.params import section
from embedstudy.core.rules import SEED, Number
from embedstudy.core.schema import check, describe

MIN_COUNT = Number(1, 2**31 - 1, whole=True)
EVENTS = (Number(1, 2**62, whole=True), None)
CTR_RULES = {"seed": SEED, "min_count": MIN_COUNT, "events": EVENTS}


def prepare_named(
    name: str,
    prepare: Callable[..., Any],
    rules: dict[str, Any],
    parameters: dict[str, Any],
    corpus: bool = False,
) -> None:
    """Call ``prepare`` with ``parameters`` once they obey ``rules``, to write ``results/prepared``.

    Args:
        name: of the data set: its folder, and its section below ``prepare``.
        prepare: the function of the module; an argument without a default must be given.
        rules: by argument, as ``core.schema.check`` takes them.
        parameters: the section.
        corpus: read the parsed API corpus rather than the pinned wheels.

    Raises ``StudyError`` for a parameter that is unknown, missing or wrong, an input that is
    missing or corrupt, before any long work, and for a full disk.
    """
    where = f"params.yaml: prepare.{name}."
    check(parameters, rules, where)
    for argument, one in inspect.signature(prepare).parameters.items():
        required = one.kind is one.KEYWORD_ONLY and one.default is one.empty
        if required and argument not in parameters:
            raise StudyError(
                f"{where}{argument} is missing: it must be {describe(rules[argument])}."
            )
    source, out = paths.PREPARED / "corpus" if corpus else paths.DATA, paths.PREPARED / name
    if corpus and not source.is_dir():
        raise StudyError(
            f"{source} is missing: run `dvc repro`, or `python -m embedstudy.sources.apicorpus` first."
        )
    try:
        prepare(source, out, **parameters)
    except (OSError, pl.exceptions.PolarsError) as error:
        if os.strerror(errno.ENOSPC) not in str(error):  # polars keeps the text, not the number
            raise
        raise StudyError(f"No space left on the device for {out}: free some, run again.") from None


def main(
    name: str,
    prepare: Callable[..., Any],
    rules: dict[str, Any],
    corpus: bool = False,
    arguments: list[str] | None = None,
) -> None:
    """The command line of a data set's module; ends the process with one sentence on an error."""
    about = inspect.getdoc(prepare)
    argparse.ArgumentParser(
        description=f"Prepare {name} as section prepare.{name} of params.yaml says.\n\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    try:
        prepare_named(name, prepare, rules, section(f"prepare.{name}"), corpus)
    except StudyError as error:
        sys.exit(f"error: {error}")
