"""Vectors of one checkpoint for one list of texts, computed once and kept as a ``.npy`` file.

The file is named after what its contents follow from: the checkpoint's files and the texts. So a
changed checkpoint or text is never answered with old vectors, and a folder of such files can be an
output of the pipeline.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embedstudy.encoders.encode import encode
from embedstudy.encoders.pretrained import load_encoder
from embedstudy.errors import StudyError
from embedstudy.paths import RESULTS
from embedstudy.study.atomic import replacing

VECTORS = RESULTS / "vectors"
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


def vectors(
    path: Path | str, texts: Sequence[str], folder: Path = VECTORS, *, progress: bool = False
) -> np.ndarray:
    """The vectors of ``texts`` by the encoder in ``path``, from ``folder`` if they are there.

    float32 [len(texts), dim], read-only. The encoder is loaded only if vectors are missing; the file
    appears whole or not at all, so several processes may ask at once.
    """
    folder = Path(folder)
    file = folder / f"{checkpoint_hash(path)[:16]}-{texts_hash(texts)[:16]}.npy"
    if not file.is_file():
        found = encode(load_encoder(path), texts, progress=progress)
        with replacing(file) as partial, partial.open("wb") as opened:
            np.save(opened, found)
    return np.load(file, mmap_mode="r")
