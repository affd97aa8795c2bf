"""The Python API corpus: pinned wheels -> one table of calls and one of units (functions).

Written to ``results/prepared/corpus``:

- ``units.parquet``: unit (UInt32, the row number), package, module, class, function, line,
  documented, summary, details, code, band0.. (UInt64, see ``nearduplicates``);
- ``calls.parquet``: unit, receiver, previous, shape, called; in the order of the source;
- ``spec.json``: counts per package.

``parsing`` says what these columns hold. The result does not depend on the number of workers.
"""

import gc
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm import tqdm

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT
from embedstudy.sources.core import command, manifest, nearduplicates
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.output import write_spec
from embedstudy.sources.core.wheels import Wheel
from embedstudy.sources.parsing import CLASS, MODULE, parse

CHUNK = 100  # modules a task; a part of the format, since it does not depend on the workers
RULES = {"packages": (COUNT, [str], None), "workers": (COUNT, None)}
CALLS = {"unit": pl.UInt32, **dict.fromkeys(("receiver", "previous", "shape", "called"), pl.String)}
# Tests, copies of other packages and generated code are not the package's own API use.
_SKIPPED = re.compile(
    r"(^|/)(tests?|testing|examples?|_?vendor(ed)?|third_?party|_distutils|[^/]*\.(dist-info|data))/"
    r"|(^|/)(test_[^/]*|[^/]*_test|conftest|[^/]*_pb2(_grpc)?)\.py$"
)


class Chunk(NamedTuple):
    """One task: modules of a wheel."""

    number: int
    package: str
    wheel: Path
    names: list[str]


def prepare(
    data: Path,
    out: Path,
    *,
    packages: int | list[str] | None = None,
    workers: int | None = None,
) -> None:
    """Parse the corpus wheels of ``data`` and write ``out``.

    Args:
        data: folder of the wheels.
        out: folder of the prepared corpus.
        packages: names of the packages, or how many of the smallest wheels; None for all.
        workers: processes; None for one a core.
    """
    wheels = choose(data, packages)
    manifest.verify(data, only=wheels)
    chunks = list(_chunks(wheels))
    with replacing(out) as folder:
        scratch = folder / "chunks"
        scratch.mkdir()
        found = list(tqdm(_map(chunks, scratch, workers), total=len(chunks), desc="corpus"))
        units = _gather(scratch, chunks, found, "units")
        calls = _gather(scratch, chunks, found, "calls")
        shutil.rmtree(scratch)
        units.write_parquet(folder / "units.parquet", statistics=False)
        calls.write_parquet(folder / "calls.parquet", statistics=False)
        write_spec(folder, _describe(units, calls, chunks, [unreadable for _, unreadable in found]))


def choose(data: Path, packages: int | list[str] | None) -> dict[str, Path]:
    """The wheels to parse by package name, sorted by name."""
    pins = {pin.name: pin for pin in manifest.corpus_pins(manifest.read_pins())}
    if isinstance(packages, list):
        unknown = sorted(set(packages) - set(pins))
        if unknown:
            raise StudyError(f"packages: {unknown[0]} is not in the corpus ({', '.join(pins)}).")
        return {name: manifest.wheel(data, name) for name in sorted(packages)}
    wheels = {name: manifest.wheel(data, name) for name in pins}
    if packages is not None:
        if not 1 <= packages <= len(wheels):
            raise StudyError(f"packages is {packages}: a number from 1 to {len(wheels)} is needed.")
        smallest = sorted(wheels, key=lambda name: (wheels[name].stat().st_size, name))[:packages]
        wheels = {name: wheels[name] for name in sorted(smallest)}
    return wheels


def _chunks(wheels: dict[str, Path]) -> Iterator[Chunk]:
    number = 0
    for package, path in wheels.items():
        with Wheel(path) as archive:
            names = [name for name in archive.names(".py") if not _SKIPPED.search(name)]
        for start in range(0, len(names), CHUNK):
            yield Chunk(number, package, path, names[start : start + CHUNK])
            number += 1


def _map(chunks: list[Chunk], scratch: Path, workers: int | None) -> Iterable[tuple[int, int]]:
    work = partial(parse_chunk, scratch=scratch)
    workers = min(workers or _cores(), len(chunks))
    if workers <= 1:
        yield from map(work, chunks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, chunks)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: those this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_chunk(chunk: Chunk, scratch: Path) -> tuple[int, int]:
    """Parse the chunk's modules into two files; return how many units, how many unreadable files.

    Units are numbered within the chunk.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))  # long sums are deep trees
    units, calls, places, unreadable = [], [], [], 0
    gc.disable()  # syntax trees have no cycles, and the collector would walk them again and again
    try:
        with Wheel(chunk.wheel) as archive:
            for name in chunk.names:
                parsed = parse(archive.read(name))
                if parsed is None:
                    unreadable += 1
                    continue
                first = len(units)
                units += parsed.units
                places += [module_name(name)] * len(parsed.units)
                calls += [(first + at, *rest) for at, *rest in parsed.calls]
    finally:
        gc.enable()
    _unit_frame(chunk.package, units, places).write_ipc(scratch / f"units-{chunk.number}.arrow")
    frame = pl.DataFrame(calls, schema=CALLS, orient="row")
    frame.write_ipc(scratch / f"calls-{chunk.number}.arrow")
    return len(units), unreadable


def module_name(path: str) -> str:
    """``a/b/__init__.py`` is module ``a.b``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _unit_frame(package: str, units: list, modules: list[str]) -> pl.DataFrame:
    columns = ("function", "line", "documented", "summary", "details", "code")
    frame = pl.DataFrame(
        {
            "module": modules,
            "class": [unit.klass for unit in units],
            **{name: [getattr(unit, name) for unit in units] for name in columns},
            **nearduplicates.bands([unit.tokens for unit in units]),
        },
        schema_overrides={"line": pl.UInt32, "documented": pl.Boolean}
        | dict.fromkeys(("module", "class", "function", "summary", "details", "code"), pl.String),
    )
    number = pl.int_range(pl.len(), dtype=pl.UInt32)
    return frame.select(number.alias("unit"), pl.lit(package).alias("package"), pl.all())


def _gather(scratch: Path, chunks: list[Chunk], found: list, kind: str) -> pl.DataFrame:
    """Join the chunks' files in order and number the units through."""
    frames, offset = [], 0
    for chunk, (units, _) in zip(chunks, found, strict=True):
        frame = pl.read_ipc(scratch / f"{kind}-{chunk.number}.arrow", memory_map=False)
        frames.append(frame.with_columns(pl.col("unit") + pl.lit(offset, pl.UInt32)))
        offset += units
    return pl.concat(frames, rechunk=True)


def _describe(units: pl.DataFrame, calls: pl.DataFrame, chunks: list, unreadable: list) -> dict:
    is_function = ~pl.col("function").is_in([MODULE, CLASS])
    made = calls.group_by("unit").len("calls")
    counts = (
        units.join(made, on="unit", how="left")
        .group_by("package")
        .agg(
            modules=pl.col("module").n_unique(),
            functions=is_function.sum(),
            documented=pl.col("documented").sum(),
            calls=pl.col("calls").sum(),
        )
        .sort("package")
    )
    totals = counts.select(pl.exclude("package").sum()).row(0, named=True)
    lost = sum(unreadable)
    packages = {row.pop("package"): row for row in counts.iter_rows(named=True)}
    return {"name": "corpus", "packages": packages, "total": totals, "unreadable_modules": lost}


if __name__ == "__main__":
    command.main("corpus", prepare, RULES)
