"""``python -m embedstudy.checks.clock --record SECONDS``: note how long ``dvc repro`` took.

The last line of every ``make repro``, one that finds nothing to do included, so it imports nothing
that takes time to import. ``make bench`` reads the note.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from embedstudy.core import files
from embedstudy.core.errors import StudyError
from embedstudy.core.paths import REPORTS

NOTE = "repro.json"


def record(reports: Path, seconds: int) -> None:
    """Write ``{"seconds": seconds}`` below ``reports`` if a grid ran in the last ``seconds``.

    A grid that ran wrote the times of its runs; where none did, the last study's note stays.
    """
    started = time.time() - seconds - 1
    if any(path.stat().st_mtime > started for path in reports.rglob("times.parquet")):
        files.write_bytes(reports / NOTE, (json.dumps({"seconds": seconds}) + "\n").encode())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=int, metavar="SECONDS", required=True)
    try:
        record(REPORTS, parser.parse_args(arguments).record)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
