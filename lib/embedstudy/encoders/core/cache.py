"""Vectors of one checkpoint for one list of texts, computed once and kept as a ``.npy`` file.

The file is named after what its contents follow from: the checkpoint's files and the texts. So a
changed checkpoint or text is never answered with old vectors, and a folder of such files can be an
output of the pipeline.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from embedstudy.core.errors import StudyError
from embedstudy.core.files import replacing
from embedstudy.core.paths import RESULTS, RUNS
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.core.pretrained import load_encoder

VECTORS = RESULTS / "vectors"
SCRATCH = RUNS.parent / "vectors"
_PROSE = {"README.md", "data_config.json"}  # files that change no vector


def checkpoint_hash(path: Path | str) -> str:
    """A checksum of every file of an encoder's folder that can change a vector."""
    path = Path(path)
    if not (path / "modules.json").is_file():
        raise StudyError(f"{path} is no encoder, it has no modules.json: name another folder.")
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        name = file.relative_to(path)
        if name.name in _PROSE or any(part.startswith(".") for part in name.parts):
            continue
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def texts_hash(texts: Sequence[str]) -> str:
    """A checksum of a list of texts, order and borders included."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def _name(path: Path | str, texts: Sequence[str]) -> str:
    return f"{checkpoint_hash(path)[:16]}-{texts_hash(texts)[:16]}.npy"


def vectors(
    path: Path | str,
    texts: Sequence[str],
    folder: Path | None = None,
    *,
    progress: bool = False,
) -> np.ndarray:
    """The vectors of ``texts`` by the encoder in ``path``, from disk if they are there.

    float32 [len(texts), dim], read-only. What is missing is computed, which alone loads the encoder,
    and kept in ``folder``; by default that is a cache of this machine, as ``results/vectors`` belongs
    to the pipeline. A file appears whole or not at all, so several processes may ask at once.
    """
    name = _name(path, texts)
    known = [folder / name] if folder else [VECTORS / name, SCRATCH / name]
    file = next((one for one in known if one.is_file()), known[-1])
    if not file.is_file():
        found = encode(load_encoder(path), texts, progress=progress)
        with replacing(file) as partial, partial.open("wb") as opened:
            np.save(opened, found)
    return np.load(file, mmap_mode="r")


def sweep(path: Path | str, lists: Iterable[Sequence[str]], folder: Path | None = None) -> None:
    """Remove the vectors in ``folder`` that are not those of one of the lists of texts."""
    kept = {_name(path, texts) for texts in lists}
    for file in (folder or VECTORS).glob("*.npy"):
        if file.name not in kept:
            file.unlink()
