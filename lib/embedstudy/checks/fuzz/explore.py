"""Many inputs for one target: run, counted, and every distinct failure kept as files."""

import random
import shutil
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from embedstudy.checks.fuzz.judge import Case, Fault, Target, judge

_ROUND = 100  # inputs between two looks at the clock


@dataclass
class Tally:
    """What came of the inputs of a target."""

    verdicts: Counter = field(default_factory=Counter)  # right, refused, failed
    failures: dict[str, tuple[Case, str]] = field(default_factory=dict)  # place -> smallest, how
    seconds: float = 0.0

    @property
    def runs(self) -> int:
        return self.verdicts.total()


def explore(
    target: Target, runs: int, seed: int, seconds: float = float("inf"), last: Path | None = None
) -> Tally:
    """Run ``target`` on at least ``runs`` inputs, or as many as ``seconds`` allow.

    A failure is shrunk to its smallest input, and later ones at the same place are passed over, so
    that one fault hides no other. The same arguments give the same inputs. Each is written to the
    folder ``last`` before it is tried, to be found there if the process dies of it.
    """
    tally, started, turn = Tally(), time.monotonic(), 0
    while tally.runs < runs and time.monotonic() - started < seconds:
        turn += 1
        number = random.Random(f"{seed}/{turn}").getrandbits(64)
        before = tally.runs
        _round(target, min(_ROUND, runs - tally.runs), number, tally, last)
        if tally.runs == before:  # the strategy has no input that it has not given yet
            break
    if last is not None:
        shutil.rmtree(last, ignore_errors=True)
    tally.seconds = time.monotonic() - started
    return tally


def _round(target: Target, runs: int, number: int, tally: Tally, last: Path | None) -> None:
    found: dict[str, tuple[Case, str]] = {}

    @seeded(number)
    @settings(
        max_examples=runs,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(target.inputs())
    def attempt(case: Case) -> None:
        if last is not None:
            keep(last, case, "The process died.")
        try:
            tally.verdicts[judge(target, case)] += 1
        except Exception as error:
            tally.verdicts["failed"] += 1
            place = _place(error)
            if place not in tally.failures:
                found[place] = case, told(error)
                raise

    try:
        attempt()
    except Exception as error:
        if not found:
            raise
        place = _place(error)
        place = place if place in found else list(found)[-1]
        tally.failures[place] = found[place]  # the last input that was tried is the smallest


def _place(error: Exception) -> str:
    """Where something failed: kind of error, and the innermost line of ours that it passed."""
    cause = error.__cause__ if isinstance(error, Fault) and error.__cause__ else error
    frames = traceback.extract_tb(cause.__traceback__)
    ours = [
        f for f in frames if "embedstudy" in f.filename and "fuzz" not in Path(f.filename).parts
    ]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else f"{error!s:.60}"
    return f"{type(error).__name__} of {type(cause).__name__} at {where}"


def told(error: Exception) -> str:
    """The end of a traceback, the error last."""
    return "".join(traceback.format_exception(error, limit=-6))[-4000:]


# -- failures on disk -----------------------------------------------------------------------------
def keep(place: Path, case: Case, how: str) -> None:
    """Write a failing input to the folder ``place`` for a later run, and say how it failed."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "files").mkdir(parents=True)
    case.write(place / "files")
    (place / "how.txt").write_text(how, encoding="utf-8", errors="backslashreplace")
    absent = sorted(name for name, content in case.items() if content is None)
    (place / "absent.txt").write_text("\n".join(absent))


def kept(place: Path) -> Case:
    """The input that ``keep`` wrote to ``place``."""
    files = [path for path in (place / "files").rglob("*") if path.is_file()]
    found = {path.relative_to(place / "files").as_posix(): path.read_bytes() for path in files}
    absent = (place / "absent.txt").read_text().split("\n")
    return Case(found | dict.fromkeys(filter(None, absent)))
