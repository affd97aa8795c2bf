"""What a set of texts says about itself, and the registry of those in ``sources.text``.

A retrieval set is a triple of frames: corpus (``id``, ``text``), queries (``id``, ``text``) and qrels
(``query``, ``document``, ``relevance``), as ``sources.core.text_files`` describes them.
"""

import functools
import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.sources import text
from embedstudy.sources.core.names import check_name
from embedstudy.sources.core.raw_files import Official

RETRIEVAL_FILES = ("corpus", "queries", "qrels")
OWN = ("docs", "reviews")  # sets with training splits that are free to use


class Retrieval(NamedTuple):
    """What is searched, what is asked and what is right."""

    corpus: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame


class Training(NamedTuple):
    """Columns of the training split: texts like those searched, and what asks for them."""

    documents: str
    queries: str


def prepared_triple(folder: Path) -> Retrieval:
    """The triple of a prepared folder that holds it as three files."""
    return Retrieval(*(read_split(folder, kind) for kind in RETRIEVAL_FILES))


@dataclass(frozen=True, kw_only=True)
class TextSet:
    """A set of texts. It judges by retrieval or by pairs, or it only trains (neither).

    Attributes:
        folder: below ``results/prepared``; also its name where its official files are asked for.
        task: name as a task, where it is not the folder's.
        retrieval: reads what is searched, asked and right from the prepared folder.
        one_to_one: a query's one answer is the document of the same id, so the set may be cut.
        pairs: the splits of sentence pairs (``sentence1``, ``sentence2``, ``score``) that are scored
            together.
        scale: lowest and highest human score of a pair.
        training: the columns of its training split, if that is free to use.
        training_from: folders of the sets whose training texts stand for its own.
        published: quality × 100 that MTEB publishes for all-MiniLM-L6-v2.
        official: its published files; None for a set made from the pinned wheels.
    """

    folder: str
    task: str = ""
    retrieval: Callable[[Path], Retrieval] | None = None
    one_to_one: bool = False
    pairs: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None
    training: Training | None = None
    training_from: tuple[str, ...] = OWN
    published: float | None = None
    official: Official | None = None

    @property
    def name(self) -> str:
        """What the set is called as a task."""
        return self.task or self.folder


@functools.cache
def _declared() -> dict[str, tuple[TextSet, str]]:
    """Every declared set with the name of its module, by folder, in the order of the modules."""
    found = {}
    for info in sorted(pkgutil.iter_modules(text.__path__), key=lambda info: info.name):
        module = f"{text.__name__}.{info.name}"
        for one in importlib.import_module(module).SETS:
            if one.folder in found:
                raise ValueError(f"{module} and {found[one.folder][1]} both declare {one.folder}")
            found[one.folder] = one, module
    return found


def text_sets() -> list[TextSet]:
    """Every set that a module of ``sources.text`` declares."""
    return [one for one, _ in _declared().values()]


def declared(folder: str) -> TextSet:
    """The declared set of that folder."""
    return _declared()[folder][0]


def module_of(folder: str) -> str | None:
    """The module that declares the set of that folder; None for a set that only is prepared."""
    return _declared().get(folder, (None, None))[1]


def task_sets() -> dict[str, TextSet]:
    """The declared sets that judge, by the name of the task."""
    return {one.name: one for one in text_sets() if one.retrieval or one.pairs}


def find_task(name: str) -> TextSet | None:
    """The set behind a task: a declared one, else a prepared retrieval folder of that name."""
    declared = task_sets().get(name)
    if declared or not is_prepared_retrieval(name):
        return declared
    return TextSet(folder=name, retrieval=prepared_triple)


def prepared_names() -> list[str]:
    """The prepared retrieval folders that no module declares."""
    if not paths.PREPARED.is_dir():
        return []
    names = sorted(path.name for path in paths.PREPARED.iterdir())
    return [name for name in names if name not in _declared() and is_prepared_retrieval(name)]


def is_prepared_retrieval(name: str) -> bool:
    """Whether ``results/prepared/<name>`` holds a retrieval set, by its specification and files."""
    try:
        check_name(name)
        spec = json.loads((paths.PREPARED / name / "spec.json").read_text(encoding="utf-8"))
    except (StudyError, OSError, ValueError):
        return False
    files = (paths.PREPARED / name / f"{kind}.parquet" for kind in RETRIEVAL_FILES)
    return (
        isinstance(spec, dict)
        and spec.get("kind") == "retrieval"
        and all(f.is_file() for f in files)
    )


def read_split(folder: Path, part: str) -> pl.DataFrame:
    """A file of a prepared folder, as it was prepared."""
    path = folder / f"{part}.parquet"
    if not path.is_file():
        raise StudyError(
            f"{path} is missing: run `dvc repro`, or `python -m embedstudy.sources.official` for a "
            "set that has to be fetched by hand."
        )
    return pl.read_parquet(path)


def one_to_one(
    queries: pl.Series, documents: pl.Series, asked: pl.Series | None = None
) -> Retrieval:
    """The triple of queries that are each answered by the document of their row.

    ``asked`` tells which rows are queries; all are if it is None. An id is the row's number.
    """
    ids = pl.int_range(len(documents), eager=True).cast(pl.String)
    asked = pl.repeat(True, len(ids), eager=True) if asked is None else asked
    chosen = ids.filter(asked)
    return Retrieval(
        pl.DataFrame({"id": ids, "text": documents}),
        pl.DataFrame({"id": chosen, "text": queries.filter(asked)}),
        pl.DataFrame({"query": chosen, "document": chosen, "relevance": 1}),
    )
