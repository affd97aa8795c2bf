"""By turns: ours, the peer, ours, the peer; what they did a second, and how often as fast ours is."""

import importlib.metadata
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

_SHORTEST = 0.02  # seconds of a measurement; shorter calls are repeated within it


@dataclass(frozen=True)
class Peer:
    """What ours is compared with."""

    name: str  # "faiss, flat"
    package: str  # whose version is told, as the package index spells it
    install: str | None = (
        None  # what `pip install` takes, where the environment has no such package
    )


@dataclass(frozen=True)
class Row:
    """A line of the table. Figures are in ``unit`` a second; None where there is no peer."""

    what: str
    unit: str
    ours: float | None
    peer: str
    theirs: float | None
    ratio: float | None  # ours : theirs, the median of the pairs; above 1 ours is faster
    goal: float | None  # the ratio to be reached
    version: str  # of the peer, or why it was not measured


def beside(
    what: str,
    unit: str,
    amount: float,
    ours: Callable[[], object],
    peer: Peer,
    prepare: Callable[[], Callable[[], object]],
    *,
    repeats: int,
    goal: float | None = None,
) -> Row:
    """Measure ``ours`` and what ``prepare`` returns, ``repeats`` times each, by turns.

    A call of either does ``amount`` of ``unit``. ``prepare`` imports the peer; if it is not
    installed, ours is measured alone and ``version`` says how to install it.
    """
    try:
        theirs = prepare()
    except ImportError as error:
        if peer.install is None:
            raise
        calls = _calls(ours)
        alone = amount / statistics.median(_seconds(ours, calls) for _ in range(repeats))
        return Row(what, unit, alone, peer.name, None, None, goal, _missing(peer, error))
    first, second = _calls(ours), _calls(theirs)
    pairs = [(_seconds(ours, first), _seconds(theirs, second)) for _ in range(repeats)]
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    figures = [amount / statistics.median(side) for side in zip(*pairs, strict=True)]
    version = importlib.metadata.version(peer.package)
    return Row(what, unit, figures[0], peer.name, figures[1], ratio, goal, version)


def unmeasured(what: str, unit: str, peer: Peer, reason: str, *, goal: float | None = None) -> Row:
    """The line of a comparison for which something of ours is missing."""
    return Row(what, unit, None, peer.name, None, None, goal, f"not measured: {reason}")


def _missing(peer: Peer, error: ImportError) -> str:
    try:
        importlib.metadata.version(peer.package)
    except importlib.metadata.PackageNotFoundError:
        return f"not installed: pip install {peer.install}"
    return f"cannot be imported ({error}): pip install {peer.install}"


def _calls(run: Callable[[], object]) -> int:
    """How many calls make a measurement; what is made once, at the first call, is made here."""
    run()
    return max(1, round(_SHORTEST / max(_seconds(run, 1), 1e-9)))


def _seconds(run: Callable[[], object], calls: int) -> float:
    """Seconds of one call, of ``calls`` in a row."""
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls
