"""What may come of an input: a right result, or one sentence; and no more memory or time than stated.

A case is the files of one input by name. A target writes them into a folder, hands them to the
library, and raises ``Fault`` if what came of them is wrong; ``judge`` sees to all the rest.
"""

import contextlib
import io
import os
import signal
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedstudy.core.errors import StudyError

MEMORY = 1 << 29  # bytes that a call may take besides what it found; inputs are below 100 kB
_REFUSED = MEMORY << 3  # of address space, so that a call that wants more fails and not the machine
SECONDS = 20  # of one call
_MEMORY_DISK = "/dev/shm"  # where folders come and go fast, if there is one


class Case(dict):
    """The files of one input, name -> bytes; None for a file that is not there."""

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {content!r:.400}" for name, content in sorted(self.items()))

    def write(self, folder: Path) -> Path:
        """Write the files into ``folder`` and return it."""
        for name, content in self.items():
            if content is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        return folder


class Fault(AssertionError):
    """What came of an input is neither right nor one sentence."""


class TooLong(BaseException):
    """A call took more than ``SECONDS``; no ``except Exception`` of a library stops it."""


Run = Callable[[Case, Path, Path], set[str]]  # (case, given, out) -> what belongs in out


@dataclass(frozen=True)
class Target:
    """Something that reads files.

    ``valid``: makes a case that is right. ``inputs``: makes the strategy of cases that may be wrong.
    ``run(case, given, out)`` reads what was written to
    the folder ``given``, may write below ``out``, checks the result and returns the names in ``out``
    that belong there. ``share``: how many of a thousand runs are its.
    """

    name: str
    valid: Callable[[], Case]
    inputs: Callable[[], Any]
    run: Run
    share: int


def judge(target: Target, case: Case) -> str:
    """'right' or 'refused'; raises ``Fault`` or whatever else the library raised."""
    fast = _MEMORY_DISK if os.access(_MEMORY_DISK, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fuzz", dir=fast) as scratch:
        given, out = Path(scratch) / "given", Path(scratch) / "out"
        given.mkdir()
        out.mkdir()
        case.write(given)
        verdict, before = "right", _reset_peak()
        try:
            with _limits(), contextlib.redirect_stdout(io.StringIO()):
                kept = target.run(case, given, out)
        except StudyError as error:
            _check_sentence(error)
            verdict, kept = "refused", set()
        except TooLong:
            raise Fault(f"It took more than {SECONDS} s.") from None
        except BaseException as error:
            if isinstance(error, Exception | KeyboardInterrupt):
                raise
            raise Fault(f"{type(error).__name__}: {error}") from error  # a panic of Rust, an exit
        taken = _status("VmHWM") - before
        if taken > MEMORY:
            raise Fault(f"It took {taken >> 20} MiB where {MEMORY >> 20} are allowed.")
        left = {path.name for path in out.iterdir()}
        if left != kept:
            raise Fault(f"It was {verdict} and left {sorted(left)} where {sorted(kept)} belong.")
        if set(scratch_files(out)):
            raise Fault(f"It left scratch files: {sorted(scratch_files(out))}.")
        return verdict


def scratch_files(folder: Path) -> Iterator[str]:
    """Files below ``folder`` that are half of something: their names begin with a dot."""
    for path in folder.rglob(".*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _check_sentence(error: StudyError) -> None:
    text = str(error)
    odd = {char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
    if odd:
        raise Fault(f"The sentence holds the characters {sorted(odd)}: {text[:300]!r}") from error
    if not text or len(text) > 2000:
        raise Fault(f"The sentence has {len(text):,} characters: {text[:300]!r}") from error


def command(main: Callable[[list[str]], int | None], arguments: list[str]) -> None:
    """Run a command in this process; its error line becomes a ``StudyError`` again.

    A wrong option, which argparse tells with its usage, counts as refused too.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    if status in (None, 0):
        return
    text = status if isinstance(status, str) else said.getvalue()
    if status == 2 and text.startswith("usage: "):
        raise StudyError("A wrong option.")
    head, _, sentence = text.removesuffix("\n").partition("error: ")
    if head:
        raise Fault(f"The command ended with {status!r} and said {text[:300]!r}.")
    raise StudyError(sentence)


# -- limits ---------------------------------------------------------------------------------------
@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Bounded address space and time; a warning of NumPy (0/0, overflow) is an error."""
    with _address_space(), _alarm(), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def _status(name: str) -> int:
    """A figure of this process in bytes, 0 where the system does not tell it."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), 0)


def _reset_peak() -> int:
    with contextlib.suppress(OSError):  # Linux: the highest mark is set to what is held now
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


@contextlib.contextmanager
def _address_space() -> Iterator[None]:
    """Let no more than ``_REFUSED`` bytes be added to this process, where that can be said."""
    held = _status("VmSize")
    if not held:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = held + _REFUSED
    resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
