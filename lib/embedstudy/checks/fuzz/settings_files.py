"""Hostile ``params.yaml``, ``notebooks/chapters.yaml`` and ``claims.yaml``."""

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
from hypothesis.strategies import SearchStrategy

from embedstudy.checks.fuzz.judge import Case, Fault, Run, Target, command
from embedstudy.checks.fuzz.mutations import yaml_files
from embedstudy.core import catalogue, params, paths
from embedstudy.pipeline import chapters
from embedstudy.study.evidence import claims
from embedstudy.study.evidence.comparisons import Evidence

CLAIMS = """\
- id: qr
  text: QR beats hashing
  source: somewhere
  left: {method: qr}
  right: {label: hash}
  budgets: [0.1, 0.5]
  margin: 0
- id: best
  text: The best that shares rows loses no hundredth
  source: somewhere
  left: {family: sharing_rows, best: true}
  right: {method: full}
  budgets: [0.1]
  margin: -0.01
  reason: a guess
- id: fast
  text: QR trains in half of the time
  source: somewhere
  left: {labels: [qr]}
  right: {families: [reference]}
  budgets: [0.5]
  margin: 0.5
  measure: train_seconds
"""


@contextmanager
def project(**folders: Path) -> Iterator[None]:
    """The library pointed at other folders: ``project(ROOT=...)``."""
    with mock.patch.multiple(paths, **folders):
        yield


_FREE = ("options", "backbone_options")  # maps that methods and backbones check themselves


def _not_finite(values: Any, where: str = "") -> Iterator[str]:
    if isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            if key not in _FREE:
                yield from _not_finite(value, f"{where}.{key}")
    elif isinstance(values, float) and not math.isfinite(values):
        yield f"{where[1:]} is {values}"


# -- params.yaml and the catalogue ----------------------------------------------------------------
def _check_parameters() -> None:
    """What is accepted gives every chapter, in every profile, numbers that can be trained with."""
    command(lambda _: chapters.main(), [])
    for chapter in catalogue.chapters():
        for profile in params.PROFILES:
            wrong = list(_not_finite(chapters.parameters(chapter, profile)))
            if wrong:
                raise Fault(f"{chapter.key} was given numbers that are none: {wrong}")


def run_params(case: Case, given: Path, out: Path) -> set[str]:
    with project(ROOT=given):
        _check_parameters()
    return set()


def run_catalogue(case: Case, given: Path, out: Path) -> set[str]:
    for folder in filter(Path.is_dir, paths.NOTEBOOKS.iterdir()):
        (given / folder.name).symlink_to(folder)
    for notebook in paths.NOTEBOOKS.glob("*.ipynb"):
        (given / notebook.name).symlink_to(notebook)
    with project(NOTEBOOKS=given):
        found = catalogue.chapters()
        for chapter in found:
            if catalogue.find(chapter.notebook) not in found:
                raise Fault(f"{chapter.notebook} is not found by its name.")
        command(lambda _: chapters.main(), [])
    return set()


# -- claims.yaml ----------------------------------------------------------------------------------
@functools.cache
def _evidence() -> Evidence:
    """Two seeds of three methods on a hundred events."""
    rng = np.random.default_rng(0)
    labels, rows, scores = rng.integers(0, 2, 100), [], {}
    for method, family in (("full", "reference"), ("hash", "sharing_rows"), ("qr", "sharing_rows")):
        for budget in (1.0,) if method == "full" else (0.1, 0.5):
            for seed in (0, 1):
                key = f"{method}-{budget}-{seed}"
                scores[key] = pl.Series(labels + rng.normal(size=100))
                rows.append(
                    {"key": key, "dataset": "toy", "backbone": "dcnv2", "family": family}
                    | {"method": method, "label": method, "budget": budget, "seed": seed}
                    | {"status": "ok", "test_auc": 0.7, "valid_auc": rng.random()}
                )
    return Evidence(pl.DataFrame(rows), scores, {"toy": pl.Series(labels)}, resamples=20)


def run_claims(case: Case, given: Path, out: Path) -> set[str]:
    verdicts = claims.evaluate({"tables": _evidence()}, claims.read(given / "claims.yaml"))
    allowed = {"holds", "does not hold", "not decided", "no runs"}
    if verdicts.height and not set(verdicts["verdict"]) <= allowed:
        raise Fault(f"The verdicts are {verdicts['verdict'].to_list()}.")
    if len(claims.findings(verdicts)) != verdicts.height:
        raise Fault("There is not one sentence a verdict.")
    return set()


def _target(name: str, text: Callable[[], str], run: Run, share: int) -> Target:
    def inputs() -> SearchStrategy[Case]:
        return yaml_files(text()).map(lambda content: Case({name: content}))

    return Target(name, lambda: Case({name: text().encode()}), inputs, run, share)


TARGETS = (
    _target("params.yaml", lambda: (paths.ROOT / "params.yaml").read_text(), run_params, 60),
    _target(
        "chapters.yaml",
        lambda: (paths.NOTEBOOKS / "chapters.yaml").read_text(),
        run_catalogue,
        60,
    ),
    _target("claims.yaml", lambda: CLAIMS, run_claims, 100),
)
