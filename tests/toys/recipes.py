"""Finds every method, and runs the recipe of one from build to reloaded file on a small data set."""

import importlib
import importlib.util
import pkgutil

import torch
from torch import Tensor

from embedstudy import tables
from embedstudy.backbones import BACKBONES
from embedstudy.study.tables.data import CtrData, Split
from embedstudy.study.tables.train import Model, TrainConfig, Trainer, Uncompressed
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table
from embedstudy.tables.reference.full import Full

DIM = 8
ROWS = (400, 300, 20)


def family_packages() -> list[str]:
    """The packages of the families: those below ``tables`` that have a module ``methods``."""
    names = [
        f"{tables.__name__}.{m.name}" for m in pkgutil.iter_modules(tables.__path__) if m.ispkg
    ]
    return [name for name in names if importlib.util.find_spec(f"{name}.methods")]


def listed_methods() -> dict[str, type[Table]]:
    """Every method of every family's list."""
    listed = [importlib.import_module(f"{name}.methods").METHODS for name in family_packages()]
    methods = {name: table for family in listed for name, table in family.items()}
    assert len(methods) == sum(map(len, listed)), "two families list a method of the same name"
    return methods


def has_recipe(table: type[Table]) -> bool:
    """Whether a method is trained in a way of its own."""
    return table.recipe is not Table.recipe


def by_frequency(column: Tensor, events: int, rows: int) -> Tensor:
    """Ids below ``rows``, 0 aside, numbered anew by descending frequency in the first ``events``."""
    order = column[:events].bincount(minlength=rows)[1:].argsort(descending=True, stable=True)
    rank = torch.zeros(rows, dtype=torch.int64)
    rank[1 + order] = torch.arange(1, rows)
    return rank[column]


def toy(events=4000, seed=1) -> CtrData:
    """Ids by descending frequency; the label depends on the parity of two ids."""
    rng = torch.Generator().manual_seed(seed)
    sizes = (events, events // 4, events // 4)
    drawn = [
        torch.empty(sum(sizes)).geometric_(min(0.5, 8 / n), generator=rng).long().clamp(max=n - 1)
        for n in ROWS
    ]
    columns = [by_frequency(column, events, n) for column, n in zip(drawn, ROWS, strict=True)]
    odd = (columns[0] + columns[1]) % 2
    labels = (torch.rand(sum(sizes), generator=rng) < 0.1 + 0.8 * odd).float()
    starts = torch.tensor([0, *ROWS]).cumsum(0)[:-1]
    ids = torch.stack(columns, 1) + starts
    unseen = torch.zeros(len(ids), dtype=torch.bool)
    splits = map(Split, ids.split(sizes), labels.split(sizes), unseen.split(sizes))
    counts = torch.bincount(ids[:events].flatten(), minlength=sum(ROWS))
    return CtrData("toy", ("a", "b", "c"), ROWS, counts, *splits)


def run_recipe(cls, share=0.5, seed=0, epochs=8, data=None, patience=4, **options):
    """Train ``cls`` within ``share`` of the full table's bytes: the trainer that did it."""
    data = data or toy()
    config = TrainConfig(batch=256, lr=0.02, epochs=epochs, patience=patience)
    spec = data.spec(DIM, 0.05)

    def model(table):
        torch.manual_seed(seed)
        return Model(table, BACKBONES["dcnv2"](len(ROWS), DIM, hidden=[16], cross_layers=1))

    def full() -> Uncompressed:
        trained = model(Full.build(spec, spec.full_bytes, seed))
        fit = Trainer(trained, data, config, seed).fit("full")
        return Uncompressed(trained.table.rows.detach(), trained.backbone.state_dict(), fit)

    budget = int(share * spec.full_bytes)
    trainer = Trainer(
        model(cls.build(spec, budget, seed, **options)),
        data,
        config,
        seed,
        spec=spec,
        budget=budget,
        uncompressed=full,
    )
    trainer.model.table.recipe(trainer)
    return trainer


def served(trainer, path):
    """The table read back from the file it is saved to, within its budget and equal to itself."""
    table = trainer.model.table.eval()
    size = artefact.save(table.compact(), path)
    assert size == table.compact().bytes() <= trainer.budget
    reloaded = artefact.load(path)
    ids = trainer.data.test.ids
    assert torch.equal(reloaded(ids), table(ids))
    return reloaded
