"""Files that are either whole or absent, also after ``kill -9`` or on a full disk."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from embedstudy.core.errors import StudyError

_ROOM = "make room for it and start again"
_LEAVE = "allow writing there and start again"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EROFS: _LEAVE,
    errno.ENOTDIR: "move what stands in its way and start again",
    errno.EISDIR: "move what stands in its way and start again",
}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell in one ``StudyError`` what the file system refuses while ``path`` is written."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno, "mend that and start again")
        raise StudyError(
            f"Cannot write {path}: {error.strerror or error}. Runs finished before are kept; "
            f"{remedy} to go on from there."
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside ``path``; on success its file takes the place of ``path``.

    Raises ``StudyError`` when the file system refuses (no space left, read-only, no permission);
    what was at ``path`` before is then still there.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield scratch
            _sync(scratch)
            os.replace(scratch, path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            scratch.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as a whole."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def sweep(folder: Path) -> None:
    """Remove the scratch files that killed processes left in ``folder``."""
    for scratch in folder.glob(".*.tmp"):
        owner = scratch.name.split(".")[-2]
        if owner.isdigit() and not _alive(int(owner)):
            scratch.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
