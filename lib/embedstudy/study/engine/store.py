"""The store of finished runs: one file a run, written as a whole, checked when read.

A record is an uncompressed zip file (``unzip -l`` shows it): ``record.json``, one ``.npy`` file an
array, the artefacts. The format's checksums tell a damaged record from a whole one, and a damaged
record counts as absent: the run is done again.
"""

import hashlib
import io
import json
import math
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from embedstudy.core import files
from embedstudy.core.errors import StudyError
from embedstudy.study.engine.outcome import STATUSES, Finished, Outcome
from embedstudy.study.engine.runs import Run

_RECORD, _ARRAYS, _FILES = "record.json", "arrays/", "files/"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")  # of an array or artefact: never a path


def plain(value: Any) -> Any:
    """``value`` with NumPy scalars as Python ones, tuples as lists, NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class RunStore:
    """Finished runs by key, in ``folder``. Several processes may use one store."""

    def __init__(self, folder: Path):
        self.folder = folder
        files.sweep(folder)

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.zip"

    def put(self, key: str, run: Run, finished: Finished) -> None:
        """Record how ``run`` ended.

        Raises ``StudyError`` when the disk is full, and for an array or artefact whose name is no name
        of a file.
        """
        outcome = finished.outcome
        for name in (*outcome.arrays, *outcome.files):
            if not _NAME.fullmatch(name):
                raise StudyError(
                    f"A run gives {name!r}: name it by letters, digits, _, -, + and dots."
                )
        record = {
            "run": run.identity() | {"device": run.device},
            "status": finished.status,
            "error": finished.error,
            "traceback": finished.traceback,
            "result": outcome.result,
            "volatile": outcome.volatile,
        }
        text = json.dumps(plain(record), indent=1, allow_nan=False)
        with files.replacing(self.path(key)) as scratch, zipfile.ZipFile(scratch, "w") as file:
            file.writestr(_RECORD, text)
            for name, array in outcome.arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                file.writestr(f"{_ARRAYS}{name}.npy", buffer.getvalue())
            for name, content in outcome.files.items():
                if isinstance(content, Path):
                    file.write(content, f"{_FILES}{name}")
                else:
                    file.writestr(f"{_FILES}{name}", content)
        for content in outcome.files.values():
            if isinstance(content, Path):
                content.unlink()

    def get(self, key: str, *, with_files: bool = False) -> Finished | None:
        """The record of ``key``; None if there is none or it is damaged.

        Its files, which may be large, are read only on demand, as bytes.
        """
        try:
            with zipfile.ZipFile(self.path(key)) as file:
                names = _members(file)
                if file.testzip() is not None:
                    return None
                record = _checked(json.loads(file.read(_RECORD)))
                arrays = {
                    name.removesuffix(".npy"): _array(file.read(f"{_ARRAYS}{name}"))
                    for name in names[_ARRAYS]
                }
                artefacts = {
                    name: file.read(f"{_FILES}{name}") for name in names[_FILES] if with_files
                }
            outcome = Outcome(record["result"], record["volatile"], arrays, artefacts)
            return Finished(record["status"], outcome, record["error"], record["traceback"])
        except Exception:  # damage shows in many ways; none of them may stop the study
            return None

    def files(self, key: str) -> list[str]:
        """The names of the artefacts of a recorded run; each is the name of a file, never a path."""
        with self._opened(key) as file:
            return _members(file)[_FILES]

    def extract(self, key: str, name: str, target: Path) -> None:
        """Copy one artefact of a recorded run to ``target``."""
        with (
            self._opened(key) as file,
            file.open(f"{_FILES}{name}") as source,
            files.replacing(target) as scratch,
            scratch.open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink, 1 << 20)

    @contextmanager
    def _opened(self, key: str) -> Iterator[zipfile.ZipFile]:
        """The record as a zip file; ``StudyError`` if it was damaged since ``get`` read it."""
        try:
            with zipfile.ZipFile(self.path(key)) as file:
                yield file
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
            raise StudyError(
                f"The record {self.path(key)} was damaged ({error}): start again."
            ) from error


# -- what a record may hold -----------------------------------------------------------------------
def _members(file: zipfile.ZipFile) -> dict[str, list[str]]:
    """The names of arrays and artefacts in a record, by folder.

    Raises ``ValueError`` for what ``put`` never writes: a name that is a path or stands there twice,
    and a member that is compressed, which may hold more bytes than memory has.
    """
    found: dict[str, list[str]] = {_ARRAYS: [], _FILES: []}
    for info in file.infolist():
        folder, slash, name = info.filename.partition("/")
        listed = found.get(folder + slash)
        known = info.filename == _RECORD if listed is None else bool(_NAME.fullmatch(name))
        if not known or info.compress_type != zipfile.ZIP_STORED or name in (listed or ()):
            raise ValueError(f"{info.filename!r} has no place in it")
        if listed is not None:
            listed.append(name)
    return found


def _checked(record: dict) -> dict:
    """The record if its parts are of the kinds that ``put`` writes; else ``ValueError``."""
    texts = (record["error"], record["traceback"])
    whole = record["status"] in STATUSES and all(t is None or isinstance(t, str) for t in texts)
    if not whole or not all(isinstance(record[name], dict) for name in ("result", "volatile")):
        raise ValueError("no record of a run")
    return record


def _array(content: bytes) -> np.ndarray:
    """A row of numbers; ``ValueError`` for any other array."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise ValueError(f"an array of {array.ndim} dimensions and type {array.dtype}")
    return array
