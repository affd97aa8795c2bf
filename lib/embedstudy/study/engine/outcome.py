"""What one run gives back, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Progress = Callable[[float, str], None]  # fraction done in [0, 1], a few words
STATUSES = ("ok", "infeasible", "diverged", "failed")


def groups_of(dataset: str) -> str:
    """The name, among a grid's labels, of whose each event of a data set is."""
    return f"{dataset}.group"


@dataclass
class Outcome:
    """What a work function returns.

    ``result``: scalars that a second run on the same machine reproduces bit by bit.
    ``volatile``: times, memory, whatever differs between two runs.
    ``arrays``: per-example values, 1-D; the test scores are called ``test``.
    ``files``: artefacts by file name, as bytes or as a path whose file the runner takes over.
    """

    result: dict
    volatile: dict = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    files: dict[str, bytes | Path] = field(default_factory=dict)


@dataclass
class Finished:
    """How a run ended: one of ``STATUSES``; the error and traceback of one that is not ok."""

    status: str
    outcome: Outcome = field(default_factory=lambda: Outcome({}))
    error: str | None = None
    traceback: str | None = None
