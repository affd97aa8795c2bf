"""``python -m embedstudy.checks.memory``: what the two largest consumers hold, measured and carried on.

- ``bootstrap``: the comparison of two runs on a million test events with a thousand resamples, by
  ``Evidence``, and of two runs of as many queries by ``TextEvidence``: below 2 GB each.
- ``criteo``: the loader on made-up rows in Criteo's format. Peaks at two sizes give bytes a row, and
  from them what all 45,840,617 rows would take: below 8 GB.

Each figure is the highest resident set of a process of its own (``VmHWM``), pages of mapped files
included. The made-up rows have the published number of distinct values a column, and every column's
rank r is as frequent as 1/r. Ends with 1 if a bound is passed. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core.errors import StudyError

GB = 10**9
ALL_ROWS = 45_840_617  # of Criteo
# Distinct values of C1 to C26 in all of Criteo, as DLRM's preprocessing counts them.
VALUES = (
    *(1460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5683, 8_351_593, 3194),
    *(27, 14_992, 5_461_306, 10, 5652, 2173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572),
)
_CHUNK = 100_000  # rows that are made at once
_BOUNDS = {"bootstrap": 2 * GB, "texts": 2 * GB, "criteo": 8 * GB}


# -- what is measured -----------------------------------------------------------------------------
def bootstrap(events: int, resamples: int) -> None:
    """An interval of the difference in AUC of two runs of one data set."""
    from embedstudy.study.evidence.comparisons import Evidence

    rng = np.random.default_rng(0)
    labels = pl.Series(rng.integers(0, 2, events).astype(np.float64))
    rows = [
        {"key": key, "dataset": "d", "seed": 0, "status": "ok", "test_auc": 0.5} for key in "ab"
    ]
    scores = {key: pl.Series(rng.random(events).astype(np.float32)) for key in "ab"}
    frame = pl.DataFrame(rows)
    left, right = (frame.filter(pl.col("key") == key) for key in "ab")
    Evidence(frame, scores, {"d": labels}, resamples).effect(left, right)


def texts(events: int, resamples: int) -> None:
    """An interval of the difference in Spearman's correlation of two runs on one task."""
    from embedstudy.study.evidence.text_evidence import TextEvidence

    rng = np.random.default_rng(0)
    labels = pl.Series(rng.integers(0, 20, events).astype(np.float64))
    rows = [
        {"key": key, "dataset": "d", "seed": 0, "status": "ok", "quality": 50.0} for key in "ab"
    ]
    scores = {key: pl.Series(rng.random(events)) for key in "ab"}
    frame = pl.DataFrame(rows)
    left, right = (frame.filter(pl.col("key") == key) for key in "ab")
    TextEvidence(frame, scores, {"d": labels}, resamples).effect(left, right)


def criteo(folder: str) -> None:
    """The loader on ``folder/train.txt``."""
    from embedstudy.sources import criteo as loader

    loader.prepare(Path(folder), Path(folder) / "prepared")


def write_criteo(path: Path, rows: int) -> None:
    """Made-up rows in Criteo's format."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, _CHUNK):
            size = min(_CHUNK, rows - start)
            columns = {"label": pl.Series(rng.integers(0, 2, size))}
            for i in range(1, 14):
                counts = pl.Series(rng.lognormal(2, 2, size).astype(np.int64))
                columns[f"I{i}"] = counts.set(pl.Series(rng.random(size) < 0.2), None)
            for i, values in enumerate(VALUES, 1):
                rank = np.exp(rng.random(size) * np.log(values + 1)).astype(np.uint64)
                hashed = pl.Series(rank * 48_271 * i % 99_999_989)  # distinct ranks stay distinct
                columns[f"C{i}"] = hashed.cast(pl.String).str.zfill(8)
            pl.DataFrame(columns).write_csv(file, separator="\t", include_header=False)


# -- measuring ------------------------------------------------------------------------------------
def peak(task: str, *arguments: int | str) -> tuple[int, float]:
    """Highest resident set in bytes, and seconds, of ``task`` in a process of its own."""
    if not Path("/proc/self/status").is_file():
        raise StudyError("This system does not tell a process's peak of memory: run it on Linux.")
    command = [sys.executable, "-m", "embedstudy.checks.memory", "--child", task]
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise StudyError(f"Measuring {task} failed: {reason}")
    told = json.loads(done.stdout.splitlines()[-1])
    return told["peak"], told["seconds"]


def _child(task: str, arguments: list[str]) -> None:
    started = time.monotonic()
    tasks: dict[str, Callable] = {"bootstrap": bootstrap, "texts": texts, "criteo": criteo}
    tasks[task](*(int(one) if one.isdigit() else one for one in arguments))
    seconds = time.monotonic() - started
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"peak": held << 10, "seconds": seconds}))


def carried_on(sizes: list[int], peaks: list[int], size: int) -> tuple[float, float]:
    """Bytes a row between the first and the last size, and the peak at ``size`` along that line.

    >>> carried_on([10, 20], [1000, 1500], 100)
    (50.0, 5500.0)
    """
    slope = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0])
    return slope, peaks[-1] + slope * (size - sizes[-1])


def _measure_bootstraps(events: int, resamples: int) -> bool:
    fine = True
    for task in ("bootstrap", "texts"):
        held, seconds = peak(task, events, resamples)
        print(f"{task}: {events:,} events x {resamples:,}: {held / GB:.2f} GB, {seconds:.0f} s")
        fine &= held <= _BOUNDS[task]
    return fine


def _measure_criteo(sizes: list[int]) -> bool:
    peaks = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="memory") as folder:
            write_criteo(Path(folder) / "train.txt", rows)
            held, seconds = peak("criteo", folder)
        peaks.append(held)
        print(f"criteo: {rows:,} rows: {held / GB:.2f} GB, {seconds:.0f} s", flush=True)
    if len(sizes) < 2:
        return peaks[0] <= _BOUNDS["criteo"]
    slope, all_rows = carried_on(sizes, peaks, ALL_ROWS)
    print(f"criteo: {slope:.0f} bytes a row; {ALL_ROWS:,} rows: {all_rows / GB:.2f} GB")
    return all_rows <= _BOUNDS["criteo"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="embedstudy.checks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", default=["bootstrap", "criteo"])
    parser.add_argument("--events", type=int, default=10**6)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**6, 5 * 10**6])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        _child(chosen.what[0], chosen.what[1:])
        return 0
    fine = []
    try:
        if "bootstrap" in chosen.what:
            fine.append(_measure_bootstraps(chosen.events, chosen.resamples))
        if "criteo" in chosen.what:
            fine.append(_measure_criteo(chosen.rows))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main())
