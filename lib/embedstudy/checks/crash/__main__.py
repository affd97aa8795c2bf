"""``make crash``: the study killed at random moments, started again, and compared with one that was not.

    python -m embedstudy.checks.crash [STAGE ...] [--kills 30] [--a-pass 10] [--seed 0] [--keep]

Works on a clone of HEAD in a temporary folder, on the smoke profile. One run goes through; then, in each
pass, the study begins anew and is struck up to ten times: dvc, a chapter, its kernel, a worker or all of
them killed (SIGKILL, SIGTERM), files cut off as on a full disk, results dated tomorrow. After the last
blow it runs to its end. Then every byte below ``results`` must be that of the first run, no process may
be left, and no file in the temporary folder. Prints a line a blow; ends with 1 if anything is wrong.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from embedstudy.checks.crash.blows import plan, strike
from embedstudy.checks.crash.scratch import Scratch
from embedstudy.core.errors import StudyError

PROFILE = "smoke"
_LINE = "{:>8}  {:8} {:20} {}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="embedstudy.checks.crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stages", nargs="*", help="of the pipeline; all if none is named")
    parser.add_argument("--kills", type=int, default=30, help="blows in all")
    parser.add_argument("--a-pass", type=int, default=10, help="blows between two comparisons")
    parser.add_argument("--seed", type=int, default=0, help="of moments and targets")
    parser.add_argument("--keep", action="store_true", help="leave the scratch copy there")
    chosen = parser.parse_args(arguments)
    base = Path(tempfile.mkdtemp(prefix="crash"))
    try:
        scratch = Scratch(base, PROFILE, tuple(chosen.stages))
        faults = _all_passes(scratch, chosen.kills, chosen.a_pass, chosen.seed)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if chosen.keep:
            print(f"The scratch copy is {base}.")
        else:
            shutil.rmtree(base, ignore_errors=True)
    for fault in faults:
        print(f"wrong: {fault}")
    if not faults:
        print("Nothing is lost, left or changed.")
    return int(bool(faults))


def _all_passes(scratch: Scratch, kills: int, a_pass: int, seed: int) -> list[str]:
    started = time.monotonic()
    whole_study, faults = _to_the_end(scratch, None, "the run without interruption")
    whole = time.monotonic() - started
    expected = scratch.results()
    print(f"Without interruption: {whole:.0f} s, {len(expected)} files of results.", flush=True)
    if not whole_study:
        return faults
    print(_LINE.format("moment", "target", "how", "outcome"), flush=True)
    rng, struck = random.Random(seed), 0
    scratch.reset()
    for number, blow in enumerate(plan(kills, seed, 2 * whole / (a_pass + 1)), 1):
        outcome = strike(scratch, blow, rng)
        moment = f"{blow.after:.1f} s"
        print(_LINE.format(moment, blow.target, blow.how, outcome.words), flush=True)
        if outcome.left:
            faults.append(f"blow {number}, {blow.target} {blow.how}: {outcome.words}")
        struck += 1
        if outcome.finished or struck == a_pass or number == kills:
            faults += _to_the_end(scratch, expected, f"after blow {number}")[1]
            scratch.reset()
            struck = 0
    return faults


def _to_the_end(
    scratch: Scratch, expected: dict[str, str] | None, where: str
) -> tuple[bool, list[str]]:
    """Run the study with nothing in its way; whether it ended well, and what is wrong afterwards."""
    study = scratch.start()
    status = study.wait(3600)
    faults = [f"{where}: dvc ended with {status}: {study.words()}"] if status else []
    left = scratch.end_all(2.0)
    if left:
        faults.append(f"{where}: {left} processes still run")
    faults += [f"{where}: left behind: {name}" for name in scratch.left_behind()]
    if expected is not None:
        found = scratch.results()
        names = sorted(expected.keys() | found.keys())
        wrong = [name for name in names if expected.get(name) != found.get(name)]
        print(f"{where}: {len(names) - len(wrong)} of {len(names)} files are the same bytes.")
        faults += [f"{where}: {name} differs" for name in wrong]
    return status == 0, faults


if __name__ == "__main__":
    sys.exit(main())
