"""Run in a copy of the repository with the toys of CONTRIBUTING.md: prints what became of them.

Trains a step with the toy method and reloads its file, executes the toy chapter's cells on a small data
set, runs the grid that the toy claim is about, and evaluates the claim. One JSON object on stdout.
"""

import json
import sys
from pathlib import Path

import nbformat
import torch

from conftest import write_prepared
from embedstudy.core import catalogue, paths
from embedstudy.study.engine.grid import run_grid
from embedstudy.study.evidence import claims, comparisons
from embedstudy.study.tables.grid import Variant, table_runs
from embedstudy.study.tables.run import method_class
from embedstudy.study.tables.settings import TableSettings
from embedstudy.study.tables.types import TrainConfig
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import TableSpec

PARAMETERS = {"datasets": ["movielens"], "budgets": [0.5], "train": {"epochs": 1, "batch": 256}}
WORK = "embedstudy.study.tables.run:work"


def train_a_step(family: str, method: str, path: Path) -> dict:
    """What a step moved, and whether the reloaded table gives the same vectors."""
    spec = TableSpec((90, 10), 8, torch.ones(100))
    table = method_class(family, method).build(spec, spec.full_bytes // 2, seed=0)
    ids = torch.arange(100)
    before = table(ids).detach()
    optimizer = torch.optim.SGD(table.parameter_groups(), lr=0.1)
    (table(ids) - 1).square().sum().backward()
    optimizer.step()
    size = artefact.save(table.compact(), path)
    same = torch.equal(artefact.load(path)(ids), table(ids))
    return {
        "within": size <= spec.full_bytes // 2,
        "moved": not torch.equal(before, table(ids)),
        "reloaded": same,
    }


def execute(notebook: Path) -> None:
    """The code cells of a chapter, one after the other, with ``PARAMETERS``."""
    space: dict = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), space)
        if "parameters" in cell.metadata.get("tags", []):
            space["parameters"] = PARAMETERS


def judge(family: str, method: str, claim: str, chapters: list[str]) -> dict:
    """The verdict on a claim, over the rows of ``method`` and of the chapters already run."""
    settings = TableSettings(budgets=[0.5], train=TrainConfig(epochs=1, batch=256))
    runs = table_runs(family, [Variant(method, method)], settings)
    run_grid(runs, work=WORK, chapter=f"tables/{family}").require_ok()
    evidence = comparisons.collect([f"tables/{family}", *chapters], resamples=50)
    stated = [one for one in claims.read(paths.ROOT / "claims.yaml") if one["id"] == claim]
    (line,) = claims.evaluate({"tables": evidence}, stated).to_dicts()
    return {name: line[name] for name in ("left", "right", "effect", "verdict")}


def main(family: str, method: str, chapter: str, claim: str) -> None:
    torch.set_num_threads(1)
    write_prepared(paths.PREPARED / "movielens")
    toy = catalogue.find(chapter)
    execute(paths.NOTEBOOKS / f"{toy.notebook}.ipynb")
    outcome = {"step": train_a_step(family, method, paths.ROOT / "table.safetensors")}
    outcome["rows"] = comparisons.read_results(chapter)["rows"].select("label", "status").rows()
    outcome["claim"] = judge(family, method, claim, [chapter])
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
