"""``make fuzz``: hostile input for everything that reads a file.

    python -m embedstudy.checks.fuzz [TARGET ...] [--runs 12000] [--seed 0] [--minutes 30]

Runs each target on its share of the inputs, in a process of its own, and prints what came of them. A
right result or one sentence is well; a traceback, a file left behind, more than 512 MiB or 20 s is a
failure. Failing inputs are kept as files below ``.cache/fuzz``, the smallest that was found for each
fault, and tried first the next time; what no longer fails is removed. Ends with 1 if anything fails.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from embedstudy.core import paths
from embedstudy.core.errors import StudyError, nearest

if TYPE_CHECKING:
    from embedstudy.checks.fuzz.judge import Target

FAILED = paths.ROOT / ".cache" / "fuzz"
_LINE = "{:24}{:>8}{:>8}{:>9}{:>8}{:>9}"
_CHILD = "EMBEDSTUDY_FUZZ_CHILD"  # in the process of one target, the module it is in
# Warnings and the stacks of a panic would drown the table.
_QUIET = {"PYTHONWARNINGS": "ignore", "RUST_BACKTRACE": "0"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="embedstudy.checks.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="target", help="all if none is named")
    parser.add_argument("--runs", type=int, default=12_000, help="inputs of all targets together")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs")
    parser.add_argument("--minutes", type=float, default=30, help="at most, all targets together")
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="one kept input, once more")
    chosen = parser.parse_args(arguments)
    try:
        targets = _targets(chosen.names)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if chosen.again:
        return _again(targets[0], chosen.again)
    if _CHILD in os.environ:
        return _one(targets[0], chosen.runs, chosen.seed, 60 * chosen.minutes)
    return _all(targets, chosen.runs, chosen.seed, chosen.minutes)


def _targets(names: list[str]) -> list["Target"]:
    try:
        from embedstudy.checks.fuzz.targets import all_targets, of

        module = os.environ.get(_CHILD)  # the others take time to import
        known = {one.name: one for one in of(module)} if module else all_targets()
    except ModuleNotFoundError as error:
        raise StudyError(
            f"{error.name} is not installed: run `make env`, or pip install './lib[study,test]'."
        ) from error
    for name in names:
        if name not in known:
            raise StudyError(f"There is no target '{name}': {nearest(name, known)}")
    return [known[name] for name in names or known]


def _all(targets: list["Target"], runs: int, seed: int, minutes: float) -> int:
    """Each target in a process: neither its memory nor its death is another's."""
    from embedstudy.checks.fuzz.targets import module_of

    print(_LINE.format("target", "inputs", "right", "refused", "failed", "seconds"), flush=True)
    FAILED.mkdir(parents=True, exist_ok=True)
    total, ends, ends_at = sum(t.share for t in targets), [], time.monotonic() + 60 * minutes
    to_come = total
    for target in targets:
        # Twice its part of the time that is left, so that a slow one leaves some to the others.
        left = max(0.0, ends_at - time.monotonic()) / 60
        left, to_come = left * min(1, 2 * target.share / to_come), to_come - target.share
        share = -(-runs * target.share // total)
        options = [f"--runs={share}", f"--seed={seed}", f"--minutes={left}"]
        command = [sys.executable, "-m", "embedstudy.checks.fuzz", target.name, *options]
        environment = os.environ | _QUIET | {_CHILD: module_of(target.name)}
        with (FAILED / "stderr.txt").open("ab") as said:  # panics and warnings of libraries
            ends.append(subprocess.run(command, env=environment, stderr=said).returncode)
        if ends[-1] not in (0, 1):
            print(
                f"{target.name}: the process ended with {ends[-1]} (stderr.txt in {FAILED}); {_reproducer(target, 'last')}"
            )
    return int(any(ends))


def _one(target: "Target", runs: int, seed: int, seconds: float) -> int:
    """What is kept of earlier runs, then new inputs; a line, and what failed."""
    from embedstudy.checks.fuzz.explore import explore, keep

    names = _still_failing(target)
    tally = explore(target, runs, seed, seconds, last=_folder(target) / "last")
    counts = [tally.verdicts[verdict] for verdict in ("right", "refused", "failed")]
    line = _LINE.format(target.name, tally.runs, *counts, f"{tally.seconds:.0f}")
    print(line + "  (time is over)" * (tally.runs < runs and tally.seconds >= seconds), flush=True)
    for place, (case, how) in tally.failures.items():
        names.append(hashlib.sha256(place.encode()).hexdigest()[:8])
        keep(_folder(target) / names[-1], case, how)
    for name in dict.fromkeys(names):
        how = (_folder(target) / name / "how.txt").read_text().strip().splitlines()
        print(f"  {how[-1][:160]}\n    {_reproducer(target, name)}")
    return int(bool(names))


def _still_failing(target: "Target") -> list[str]:
    """The kept inputs of a target that fail as before; the others are removed."""
    from embedstudy.checks.fuzz.explore import keep, kept, told
    from embedstudy.checks.fuzz.judge import judge

    names = []
    for how in sorted(_folder(target).glob("*/how.txt")):
        case = kept(how.parent)
        try:
            judge(target, case)
            shutil.rmtree(how.parent)
        except Exception as error:
            keep(how.parent, case, told(error))
            names.append(how.parent.name)
    return names


def _folder(target: "Target") -> Path:
    return FAILED / target.name.replace(", ", "-").replace(" ", "-")


def _reproducer(target: "Target", name: str) -> str:
    folder = _folder(target) / name
    return f"again: python -m embedstudy.checks.fuzz '{target.name}' --again {folder}"


def _again(target: "Target", place: Path) -> int:
    from embedstudy.checks.fuzz.explore import kept
    from embedstudy.checks.fuzz.judge import judge

    print(f"{target.name}: {judge(target, kept(place))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
