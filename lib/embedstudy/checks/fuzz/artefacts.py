"""Hostile tables (safetensors files), records of finished runs and prepared specifications."""

import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

from embedstudy.checks.fuzz.judge import Case, Fault, Target
from embedstudy.checks.fuzz.mutations import TEXTS, Draw, as_json, damaged, edited_tree, json_files
from embedstudy.core.errors import StudyError
from embedstudy.sources.core.ctr import read_spec
from embedstudy.study.engine import rows
from embedstudy.study.engine.outcome import STATUSES, Finished, Outcome
from embedstudy.study.engine.store import RunStore
from embedstudy.study.tables.types import TableRun
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table, TableSpec
from embedstudy.tables.fewer_bits.methods import METHODS as FEWER_BITS
from embedstudy.tables.reference.methods import METHODS as REFERENCE
from embedstudy.tables.sharing_rows.methods import METHODS as SHARING

# Methods whose files differ in kind: rows, hashes with seeds, packed codes with scales.
METHODS = REFERENCE | {name: SHARING[name] for name in ("hash", "qr", "robe")}
METHODS |= {name: FEWER_BITS[name] for name in ("rowwise", "pq")}
_KEY = "embedstudy"


# -- tables ---------------------------------------------------------------------------------------
@functools.cache
def _tables() -> dict[str, bytes]:
    """The files of a small table by every method, name -> bytes."""
    spec = TableSpec((200, 100), 4, torch.ones(300, dtype=torch.int64))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, method in METHODS.items():
            table = _built(method, spec)
            artefact.save(table.compact(), Path(folder) / name)
            found[name] = (Path(folder) / name).read_bytes()
    return found


def _built(method: type[Table], spec: TableSpec) -> Table:
    if hasattr(method, "compress"):
        weight = torch.randn(spec.rows, spec.dim)
        return method.compress(weight, spec, 4 * spec.full_bytes, seed=0)
    return method.build(spec, 4 * spec.full_bytes, seed=0)


@st.composite
def table_cases(draw: Draw) -> Case:
    """A table whose header, whose own part of it, or whose bytes are changed."""
    content = _tables()[draw(st.sampled_from(sorted(_tables())))]
    kind = draw(st.sampled_from(("own", "header", "bytes")))
    if kind == "bytes":
        return Case({"t.safetensors": draw(damaged(content))})
    length = int.from_bytes(content[:8], "little")
    header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind == "own":
        own = json.loads(header["__metadata__"][_KEY])
        text = as_json(draw(edited_tree(own))).decode("utf-8", "replace")
        header["__metadata__"][_KEY] = text
    else:
        header = draw(edited_tree(header))
    text = as_json(header)
    text += b" " * (-len(text) % 8)
    return Case({"t.safetensors": len(text).to_bytes(8, "little") + text + tensors})


def run_table(case: Case, given: Path, out: Path) -> set[str]:
    """A table that loads serves vectors, all of its width."""
    table = artefact.load(given / "t.safetensors")
    if not isinstance(table, Table):
        raise Fault(f"It loaded as {type(table)}, which is no table.")
    served = sum(table.field_rows)
    ids = torch.tensor([0, served // 2, served - 1])
    with torch.inference_mode():
        vectors = table(ids)
    if vectors.shape != (3, table.dim) or vectors.dtype != torch.float32:
        raise Fault(f"It served {vectors.dtype} {tuple(vectors.shape)} of a width of {table.dim}.")
    return set()


# -- records of runs ------------------------------------------------------------------------------
@functools.cache
def _record() -> dict[str, bytes]:
    """The members of a record, name -> bytes."""
    run = TableRun(backbone="b", family="f", method="m", label="l", budget=0.5, seed=0, dataset="d")
    outcome = Outcome(
        {"test_auc": 0.7, "epochs": 3},
        {"seconds": 1.5},
        {"test": np.arange(9, dtype=np.float32)},
        {"table.safetensors": b"rows" * 9},
    )
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        store.put("a", run, Finished("ok", outcome))
        with zipfile.ZipFile(store.path("a")) as file:
            return {name: file.read(name) for name in file.namelist()}


def _array(draw: Draw) -> bytes:
    """An ``.npy`` file of another kind, or one whose header lies."""
    buffer = io.BytesIO()
    odd = [np.array([["a"]]), np.zeros((2, 2)), np.array(0), np.array([1j]), np.zeros(0, "<M8[s]")]
    np.save(buffer, draw(st.sampled_from(odd)), allow_pickle=False)
    content = buffer.getvalue()
    lies = [b"(2, 2)", b"(9999999999, 2)", b"(-1, 2)", b"(2.5, 2)", b"(2, 2, )*9"]
    return draw(
        st.one_of(damaged(content), st.just(content.replace(lies[0], draw(st.sampled_from(lies)))))
    )


@st.composite
def record_cases(draw: Draw) -> Case:
    """A record with members changed, renamed or added; or its bytes damaged."""
    members = list(_record().items())
    kind = draw(st.sampled_from(("json", "array", "name", "more", "bytes")))
    at = {"json": 0, "array": 1}.get(kind, draw(st.integers(0, len(members) - 1)))
    name, content = members[at]
    if kind == "json":
        members[at] = name, draw(json_files(json.loads(content)))
    elif kind == "array":
        members[at] = name, _array(draw)
    elif kind == "name":
        members[at] = draw(_names), content
    elif kind == "more":
        members.append((draw(_names), draw(st.sampled_from([content, b"", b" " * 3_000_000]))))
    changed = _zipped(members, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    return Case({"a.zip": draw(damaged(changed)) if kind == "bytes" else changed})


def _zipped(members: list[tuple[str, bytes]], packing: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, packing)
    return buffer.getvalue()


_names = st.tuples(
    st.sampled_from(["", "files/", "arrays/", "files/../", "arrays/../"]),
    st.sampled_from([t for t in TEXTS if "\0" not in t] + ["record.json", "/etc/x", "a/b", ".."]),
).map("".join)


def run_record(case: Case, given: Path, out: Path) -> set[str]:
    """A record is absent, or what a chapter publishes of it lies in the chapter's folder."""
    store = RunStore(given)
    finished = store.get("a")
    if finished is None:
        raise StudyError("The record counts as absent.")
    outcome = finished.outcome
    rows.frame([rows.flatten(outcome.result)], [{"status": finished.status}])
    rows.array_frame(outcome.arrays, "float32")
    if finished.status not in STATUSES:
        raise Fault(f"The status is {finished.status!r}.")
    rows.write_artefacts(store, [("name", "a")], out / "artefacts")
    if any(path.is_dir() for path in (out / "artefacts").iterdir()):
        raise Fault("An artefact lies in a folder of its own making.")
    return {"artefacts"}


# -- specifications -------------------------------------------------------------------------------
SPEC = {
    "name": "toy",
    "kind": "clicks",
    "fields": [{"name": "user", "rows": 9}, {"name": "shop", "rows": 3}],
    "events": {"train": 8, "valid": 1, "test": 1},
    "positive_rate": {"train": 0.5, "valid": 1.0, "test": 0.0},
    "min_count": 2,
    "sample": None,
    "protocol": "none",
}


def _specified(content: bytes) -> Case:
    return Case({"spec.json": content} | {f"{split}.parquet": b"PAR1" for split in SPEC["events"]})


def run_spec(case: Case, given: Path, out: Path) -> set[str]:
    spec = read_spec(given)
    if not isinstance(spec, dict) or not all(
        (given / f"{split}.parquet").is_file() for split in spec["events"]
    ):
        raise Fault("A specification was taken whose files are not there.")
    return set()


TARGETS = (
    Target(
        "safetensors table",
        lambda: Case({"t.safetensors": _tables()["qr"]}),
        table_cases,
        run_table,
        90,
    ),
    Target(
        "record of a run",
        lambda: Case({"a.zip": _zipped(list(_record().items()))}),
        record_cases,
        run_record,
        70,
    ),
    Target(
        "spec.json",
        lambda: _specified(as_json(SPEC)),
        lambda: json_files(SPEC).map(_specified),
        run_spec,
        25,
    ),
)
