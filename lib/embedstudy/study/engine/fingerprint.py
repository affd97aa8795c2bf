"""The hash of a prepared data set: part of what a recorded run depends on."""

import functools
import hashlib
from pathlib import Path

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.study.engine.store import digest


@functools.lru_cache
def _file_hash(path: Path, stamp: tuple) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_data(dataset: str) -> str:
    """SHA-256 over the prepared files of a data set."""
    folder = paths.PREPARED / dataset
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise StudyError(f"There is no prepared data in {folder}: run 'dvc repro' to prepare it.")
    stats = [(path, path.stat()) for path in files]
    named = {
        path.relative_to(folder).as_posix(): _file_hash(path, (s.st_mtime_ns, s.st_size))
        for path, s in stats
    }
    return digest(named)


def data_bytes(dataset: str) -> int:
    """Bytes of the prepared files of a data set."""
    files = (path for path in (paths.PREPARED / dataset).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)
