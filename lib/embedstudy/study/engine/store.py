"""The store of finished runs: one file a run, written as a whole, checked when read.

A record is an uncompressed zip file (``unzip -l`` shows it): ``record.json``, one ``.npy`` file an
array, the artefacts. The format's checksums tell a damaged record from a whole one, and a damaged
record counts as absent: the run is done again.
"""

import hashlib
import io
import json
import math
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from embedstudy.core import files
from embedstudy.study.engine.outcome import Finished, Outcome
from embedstudy.study.engine.runs import Run

_RECORD = "record.json"


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
        """Record how ``run`` ended. Raises ``StudyError`` when the disk is full."""
        outcome = finished.outcome
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
                file.writestr(f"arrays/{name}.npy", buffer.getvalue())
            for name, content in outcome.files.items():
                if isinstance(content, Path):
                    file.write(content, f"files/{name}")
                else:
                    file.writestr(f"files/{name}", content)
        for content in outcome.files.values():
            if isinstance(content, Path):
                content.unlink()

    def get(self, key: str, *, with_files: bool = False) -> Finished | None:
        """The record of ``key``; None if there is none or it is damaged.

        Its files, which may be large, are read only on demand, as bytes.
        """
        try:
            with zipfile.ZipFile(self.path(key)) as file:
                if file.testzip() is not None:
                    return None
                record = json.loads(file.read(_RECORD))
                arrays = {
                    Path(name).stem: np.load(io.BytesIO(file.read(name)), allow_pickle=False)
                    for name in file.namelist()
                    if name.startswith("arrays/")
                }
                artefacts = {
                    name.removeprefix("files/"): file.read(name)
                    for name in file.namelist()
                    if with_files and name.startswith("files/")
                }
            outcome = Outcome(record["result"], record["volatile"], arrays, artefacts)
            return Finished(record["status"], outcome, record["error"], record["traceback"])
        except Exception:  # damage shows in many ways; none of them may stop the study
            return None

    def files(self, key: str) -> list[str]:
        """The names of the artefacts of a recorded run."""
        with zipfile.ZipFile(self.path(key)) as file:
            return [n.removeprefix("files/") for n in file.namelist() if n.startswith("files/")]

    def extract(self, key: str, name: str, target: Path) -> None:
        """Copy one artefact of a recorded run to ``target``."""
        with (
            zipfile.ZipFile(self.path(key)) as file,
            file.open(f"files/{name}") as source,
            files.replacing(target) as scratch,
            scratch.open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink, 1 << 20)
