"""Vectors of one checkpoint for one list of texts, computed once and kept as a ``.npy`` file.

The file is named after what its contents follow from: the checkpoint's files and the texts. So a
changed checkpoint or text is never answered with old vectors, and a folder of such files can be an
output of the pipeline. A ``.texts`` file beside it holds a checksum of each text, 16 bytes a row: by
hand, a list is put together from rows of other lists, and only new texts are encoded.

The batch that a text was encoded in changes the last digits of its vector. The pipeline therefore
reads whole lists only, and never those that were put together.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.files import replacing, write_bytes
from embedstudy.encoders.core.encode import Report, encode
from embedstudy.encoders.core.pretrained import load_encoder

_PROSE = {"README.md", "data_config.json"}  # files that change no vector
_BYTES = 16  # of a text's checksum


def checkpoint_hash(path: Path | str) -> str:
    """A checksum of every file of an encoder's folder that can change a vector."""
    path = Path(path)
    if not (path / "modules.json").is_file():
        raise StudyError(f"{path} is no encoder, it has no modules.json: name another folder.")
    files = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        name = file.relative_to(path)
        if name.name not in _PROSE and not any(part.startswith(".") for part in name.parts):
            files.append((name.as_posix(), file.stat().st_size, file.stat().st_mtime_ns))
    return _checkpoint_hash(path, tuple(files))


@functools.lru_cache(maxsize=16)
def _checkpoint_hash(path: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """The files are read once while their sizes and times stay the same."""
    digest = hashlib.sha256()
    for name, _, _ in files:
        with (path / name).open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def texts_hash(texts: Sequence[str]) -> str:
    """A checksum of a list of texts, order and borders included."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def file_name(path: Path | str, texts: Sequence[str]) -> str:
    """The name of the file with the vectors of ``texts`` by the encoder in ``path``."""
    return f"{checkpoint_hash(path)[:16]}-{texts_hash(texts)[:16]}.npy"


def pipeline_folder() -> Path:
    """The pipeline's vectors, which a stage of its own writes."""
    return paths.RESULTS / "vectors"


def vectors_folders() -> list[Path]:
    """Where lists are looked for by default; what is in none of them is kept in the last one."""
    cache = paths.RUNS.parent
    whole = [pipeline_folder(), cache / "vectors"]
    return whole if paths.in_pipeline() else [*whole, cache / "lab" / "vectors"]


def find(path: Path | str, texts: Sequence[str], folder: Path | None = None) -> Path | None:
    """The file with the vectors of ``texts`` by the encoder in ``path``, if it is there."""
    places = [folder] if folder else vectors_folders()
    files = [place / file_name(path, texts) for place in places]
    return next((one for one in files if one.is_file() and _texts_of(one).is_file()), None)


def vectors(
    path: Path | str,
    texts: Sequence[str],
    folder: Path | None = None,
    *,
    progress: bool | Report = False,
) -> np.ndarray:
    """The vectors of ``texts`` by the encoder in ``path``, from disk if they are there.

    What is missing is computed, which alone loads the encoder, and kept. A file appears whole or not
    at all, and of several processes that ask at once one computes and the others wait.

    Args:
        path: the encoder's folder.
        texts: any strings.
        folder: where to look and keep; by default ``vectors_folders()``.
        progress: as for ``encode``.

    Returns:
        float32 [len(texts), dim], read-only.
    """
    file = find(path, texts, folder)
    if file is None:
        file = (folder or vectors_folders()[-1]) / file_name(path, texts)
        with _alone(file.name):
            if not find(path, texts, file.parent):
                by_hand = not folder and not paths.in_pipeline()
                rows = _rows(path) if by_hand else {}
                _write(file, _computed(path, texts, rows, progress), texts)
    return np.load(file, mmap_mode="r")


def sweep(path: Path | str, lists: Iterable[Sequence[str]], folder: Path) -> None:
    """Remove the vectors in ``folder`` that are not those of one of the lists of texts."""
    kept = {file_name(path, texts) for texts in lists}
    for file in folder.glob("*.npy"):
        if file.name not in kept:
            file.unlink()
            _texts_of(file).unlink(missing_ok=True)


def _texts_of(file: Path) -> Path:
    """Where the checksums of the texts of a file of vectors are."""
    return file.with_suffix(".texts")


def _alone(name: str) -> FileLock:
    locks = paths.RUNS.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{name}.lock")


def _checksums(texts: Sequence[str]) -> list[bytes]:
    return [hashlib.sha256(json.dumps(text).encode()).digest()[:_BYTES] for text in texts]


def _write(file: Path, found: np.ndarray, texts: Sequence[str]) -> None:
    write_bytes(_texts_of(file), b"".join(_checksums(texts)))
    with replacing(file) as partial, partial.open("wb") as opened:
        np.save(opened, found)


def _computed(
    path: Path | str, texts: Sequence[str], rows: dict[bytes, np.ndarray], progress: bool | Report
) -> np.ndarray:
    """The vectors of ``texts``: from ``rows`` where it has them, the others encoded."""
    checksums = _checksums(texts)
    new = {one: text for one, text in zip(checksums, texts, strict=True) if one not in rows}
    if len(new) == len(set(checksums)):
        return encode(load_encoder(path), texts, progress=progress)
    if new:
        encoded = encode(load_encoder(path), list(new.values()), progress=progress)
        rows |= zip(new, encoded, strict=True)
    return np.stack([rows[one] for one in checksums])


def _rows(path: Path | str) -> dict[bytes, np.ndarray]:
    """Every vector that is kept by that encoder, by its text's checksum."""
    pattern = f"{checkpoint_hash(path)[:16]}-*.npy"
    rows: dict[bytes, np.ndarray] = {}
    for file in (one for place in vectors_folders() for one in place.glob(pattern)):
        if _texts_of(file).is_file():
            checksums = _texts_of(file).read_bytes()
            starts = range(0, len(checksums), _BYTES)
            rows |= zip([checksums[i : i + _BYTES] for i in starts], np.load(file), strict=True)
    return rows
