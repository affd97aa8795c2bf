"""Temporary folders below one root, where the next start sweeps what killed processes left.

Each folder belongs to the process that asked for it, which holds a lock on it for as long as it lives;
the system lets go of the lock however the process ends.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from embedstudy.core import files
from embedstudy.core.errors import StudyError

_LOCK = ".lock"


def _root() -> Path:
    """The root in the system's temporary folder, this user's alone."""
    root = Path(tempfile.gettempdir()) / f"embedstudy-{os.getuid()}"
    with files.writing(root):
        root.mkdir(mode=0o700, exist_ok=True)
        status = root.lstat()
    if root.is_symlink() or status.st_uid != os.getuid():
        raise StudyError(f"{root} belongs to somebody else: remove it, or set TMPDIR to a folder.")
    return root


@contextlib.contextmanager
def _locked(path: Path, wait: bool) -> Iterator[bool]:
    """Whether the lock on the file was had; it is held within the block."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _sweep(root: Path) -> None:
    """Remove the folders whose process is gone."""
    for folder in filter(Path.is_dir, root.iterdir()):
        with contextlib.suppress(OSError), _locked(folder / _LOCK, wait=False) as abandoned:
            if abandoned:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield an empty folder, of a short path; it is removed afterwards, or by the next start.

    Raises ``StudyError`` where none can be made.
    """
    root = _root()
    with contextlib.ExitStack() as held:
        with files.writing(root), _locked(root / _LOCK, wait=True):
            _sweep(root)
            made = Path(tempfile.mkdtemp(prefix="", dir=root))
            held.enter_context(_locked(made / _LOCK, wait=False))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
