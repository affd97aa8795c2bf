"""Where results come from: software, hardware, code and data."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import yaml

from embedstudy.core import paths

# What determines the results; dvc.lock, results/ and reports/ are rewritten by the study itself.
SOURCES = (
    "lib",
    "notebooks",
    "params.yaml",
    "dvc.yaml",
    "data.dvc",
    "requirements.lock",
    "torch.lock",
)


def packages() -> list[str]:
    """The packages that ``lib/pyproject.toml`` names, those for tests left out."""
    requirements = [one for one in metadata.requires("embedstudy") if 'extra == "test"' not in one]
    names = [re.match(r"[\w.-]+", one)[0].lower() for one in requirements]
    return [name for name in dict.fromkeys(names) if name != "embedstudy"]


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that the study depends on.

    That of torch names its build, as in 2.13.0+cpu.
    """
    installed = {"python": platform.python_version()}
    for name in packages():
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
    return installed


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, or its architecture where the system does not tell the name."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gib() -> float:
    """Main memory in GiB, to one decimal."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def gpu() -> str | None:
    """The name of the CUDA device, None without one."""
    import torch  # takes seconds, and most of what is asked here does not need it

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return process.stdout.strip()


def commit(root: Path) -> tuple[str | None, bool | None]:
    """The commit checked out at ``root``, and whether ``SOURCES`` differ from it.

    Both are None outside a git checkout and before its first commit.
    """
    revision = _git(root, "rev-parse", "--verify", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *SOURCES)
    return revision, None if revision is None or changes is None else bool(changes)


def data_hash(root: Path) -> str | None:
    """The MD5 under which DVC pins ``data/``, or None before ``data.dvc`` was written."""
    pinned = root / "data.dvc"
    if not pinned.is_file():
        return None
    return yaml.safe_load(pinned.read_text(encoding="utf-8"))["outs"][0]["md5"]


def environment(root: Path = paths.ROOT) -> dict:
    """Provenance of results computed now, in the checkout at ``root``; JSON-safe.

    Keys: ``versions`` (map), ``system``, ``cpu``, ``cores``, ``memory_gib``, ``gpu`` (name or
    None), ``commit`` and ``dirty`` (see ``commit``), ``data`` (see ``data_hash``). It holds no
    date, so two calls on one machine and one checkout agree.
    """
    revision, dirty = commit(root)
    return {
        "versions": versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_gib": memory_gib(),
        "gpu": gpu(),
        "commit": revision,
        "dirty": dirty,
        "data": data_hash(root),
    }
