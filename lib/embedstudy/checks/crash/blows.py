"""What befalls the study, when, and what comes of it."""

import contextlib
import random
import signal
import time
from dataclasses import dataclass

import psutil

from embedstudy.checks.crash.scratch import ROLES, Scratch, Study

GRACE = 20.0  # seconds in which what is left of a killed study must end by itself
_APPEARS = 120.0  # seconds to wait for a process to kill
_ENDS = 900.0  # seconds to wait for a study that lost a worker or its kernel
DAY = 86_400


@dataclass(frozen=True)
class Blow:
    """``after`` seconds from a start, ``how`` happens to ``target``."""

    after: float
    target: str  # a role, "all" processes, the "disk" or the "clock"
    how: str  # a signal, "<n> bytes a file", "files of tomorrow"


@dataclass(frozen=True)
class Outcome:
    words: str
    left: int = 0  # processes that had to be killed
    finished: bool = False  # the study ended well in spite of it, so the pass is over


def plan(number: int, seed: int, longest: float) -> list[Blow]:
    """``number`` blows; each kind of them comes up before one comes a second time."""
    rng, blows, kinds = random.Random(seed), [], []
    for _ in range(number):
        if not kinds:
            kinds = [(role, name) for role in (*ROLES, "all") for name in ("SIGKILL", "SIGTERM")]
            kinds += [("disk", f"{int(10 ** rng.uniform(3, 6.5))} bytes a file")]
            kinds += [("clock", "files of tomorrow")]
            rng.shuffle(kinds)
        blows.append(Blow(round(rng.uniform(0.3, longest), 1), *kinds.pop()))
    return blows


def strike(scratch: Scratch, blow: Blow, rng: random.Random) -> Outcome:
    """Start the study, strike, and wait until nothing of it runs any more."""
    if blow.target == "clock":
        names = [name for name in scratch.results() if rng.random() < 0.5]
        scratch.touch(names, DAY)
        return Outcome(f"{len(names)} results look a day too new")
    if blow.target == "disk":
        study = scratch.start(largest_file=int(blow.how.split()[0]))
        return _ended(scratch, study, study.wait(_ENDS))
    study = scratch.start()
    if study.wait(blow.after) is not None:
        return _ended(scratch, study, study.process.returncode, "over before it: ")
    role = None if blow.target == "all" else blow.target
    victims = scratch.wait_for(role, study, _APPEARS) if role else scratch.processes()
    for victim in victims if blow.target == "all" else victims[:1]:
        with contextlib.suppress(psutil.Error):
            victim.send_signal(signal.Signals[blow.how])
    if not victims and study.running():
        study.process.send_signal(signal.SIGKILL)
        return _ended(scratch, study, study.wait(_ENDS), f"no {role} came up; dvc killed: ")
    return _ended(scratch, study, study.wait(_ENDS))


def _ended(scratch: Scratch, study: Study, status: int | None, words: str = "") -> Outcome:
    if status is None:
        study.process.kill()
        words += f"dvc still ran after {_ENDS:.0f} s; "
    left = scratch.end_all(GRACE if status != 0 else 2.0)
    time.sleep(0.1)  # what was said last
    words += f"dvc ended with {status}" + (f" ({study.words()[:70]})" if status else "")
    if left:
        words += f"; {left} processes still ran after {GRACE:.0f} s"
    return Outcome(words, left, status == 0)
