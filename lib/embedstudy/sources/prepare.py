"""``python -m embedstudy.sources.prepare NAME``: raw wheels -> one prepared data set.

Parameters come from the section ``prepare.NAME`` of the profile chosen in ``params.yaml``; their
meanings are in the ``prepare`` function of the data set's module.
"""

import argparse
import errno
import inspect
import os
import sys
from importlib import import_module

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.core.params import Number, check, section
from embedstudy.core.paths import DATA, PREPARED

CORPUS = PREPARED / "corpus"
# name -> (module with a function ``prepare``, folder it reads, folder it writes)
DATASETS = {
    "movielens": ("embedstudy.sources.movielens", DATA, PREPARED / "movielens"),
    "corpus": ("embedstudy.sources.apicorpus", DATA, CORPUS),
    "calls": ("embedstudy.sources.calls", CORPUS, PREPARED / "calls"),
    "docs": ("embedstudy.sources.docs", CORPUS, PREPARED / "docs"),
    "reviews": ("embedstudy.sources.reviews", DATA, PREPARED / "reviews"),
}
_SEED = Number(0, whole=True)
_AT_LEAST_1 = Number(1, whole=True)
PARAMETERS = {
    "movielens": {"seed": _SEED, "min_count": _AT_LEAST_1},
    "corpus": {"packages": (_AT_LEAST_1, [str], None), "workers": (_AT_LEAST_1, None)},
    "calls": {"seed": _SEED, "min_count": _AT_LEAST_1, "negatives": _AT_LEAST_1},
    "docs": {"seed": _SEED, "min_words": _SEED, "max_chars": _AT_LEAST_1},
    "reviews": {"seed": _SEED},
}


def prepare(dataset: str, parameters: dict) -> None:
    """Prepare one data set with the keyword arguments ``parameters``.

    Raises ``StudyError`` for an unknown data set or parameter, a missing parameter, or a missing or
    corrupt input, before any long work.
    """
    if dataset not in DATASETS:
        raise StudyError(f"{dataset} is no data set of the study: choose from {list(DATASETS)}.")
    module, source, out = DATASETS[dataset]
    function = import_module(module).prepare
    where = f"params.yaml: prepare.{dataset}."
    check(parameters, PARAMETERS[dataset], where)
    for name, one in inspect.signature(function).parameters.items():
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty and name not in parameters:
            raise StudyError(f"{where}{name} is missing.")
    if source == CORPUS and not (CORPUS / "spec.json").is_file():
        raise StudyError(f"{CORPUS} is missing: run `dvc repro` or prepare `corpus` first.")
    try:
        function(source, out, **parameters)
    except (OSError, pl.exceptions.PolarsError) as error:
        if os.strerror(errno.ENOSPC) not in str(error):  # polars keeps the text, not the number
            raise
        raise StudyError(f"No space left on the device for {out}: free some, run again.") from None


def main(arguments: list[str] | None = None) -> None:
    """Command line: the name of a data set."""
    parser = argparse.ArgumentParser(prog="embedstudy.sources.prepare", description=__doc__)
    parser.add_argument("dataset", choices=list(DATASETS))
    dataset = parser.parse_args(arguments).dataset
    try:
        prepare(dataset, section(f"prepare.{dataset}"))
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
