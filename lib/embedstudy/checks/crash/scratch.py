"""A scratch copy of the repository in which ``dvc repro`` is started, watched and looked through."""

import contextlib
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from embedstudy.core import paths
from embedstudy.core.errors import StudyError

MARK = "EMBEDSTUDY_CRASH"  # in the environment of every process that descends from the copy's dvc
# How to tell the processes of a study by their command lines.
ROLES = {
    "dvc": "dvc repro",
    "chapter": "embedstudy.pipeline.execute",
    "kernel": "ipykernel_launcher",
    "worker": "multiprocessing.spawn",
}
_MADE = ("results", "reports", ".cache", "dvc.lock", ".dvc/cache", ".dvc/tmp")


def _is_root(path: Path) -> bool:
    root = path.parent if path.name == ".lock" else path
    return root.name.startswith("embedstudy-")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


class Scratch:
    """A clone of HEAD below ``base`` with the data linked in, set to a profile, with this Python.

    ``base`` also holds the copy's temporary folder and what its tools would keep in the home folder.
    """

    def __init__(self, base: Path, profile: str, stages: tuple[str, ...] = ()):
        self.stages = stages
        self.base, self.root, self.temporary = base, base / "checkout", base / "tmp"
        clone = ["git", "clone", "--quiet", str(paths.ROOT), str(self.root)]
        done = subprocess.run(clone, capture_output=True, text=True)
        if done.returncode:
            raise StudyError(f"{paths.ROOT} cannot be cloned: {' '.join(done.stderr.split())}")
        shutil.copytree(paths.DATA, self.root / "data", copy_function=_link, dirs_exist_ok=True)
        file = self.root / "params.yaml"
        lines = file.read_text().splitlines(keepends=True)
        chosen = [f"profile: {profile}\n" if s.startswith("profile:") else s for s in lines]
        file.write_text("".join(chosen))
        self.reset()

    def reset(self) -> None:
        """Remove all that a study makes."""
        for name in _MADE:
            path = self.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()

    def start(self, largest_file: int | None = None) -> "Study":
        """Start ``dvc repro`` of the stages, all if there are none; no process may write a file beyond ``largest_file`` bytes."""
        return Study(self._environment(), self.root, self.stages, largest_file)

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(self.root / "lib"),
            "EMBEDSTUDY_ROOT": str(self.root),
            "TMPDIR": str(self.temporary),
            "JUPYTER_RUNTIME_DIR": str(self.base / "jupyter"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.base / "torch"),
            "DVC_SITE_CACHE_DIR": str(self.base / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            MARK: str(self.base),
        }

    # -- processes --------------------------------------------------------------------------------
    def processes(self, role: str | None = None) -> list[psutil.Process]:
        """The processes that descend from this copy's dvc, of a role or all."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) != str(self.base):
                    continue
                words = " ".join(process.cmdline())
                python = process.name().startswith(("python", "dvc"))
                if role is None or (python and ROLES[role] in words):
                    found.append(process)
        return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]

    def wait_for(self, role: str, study: "Study", seconds: float) -> list[psutil.Process]:
        """The processes of a role, as soon as there are any; none if the study ends before."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and study.running():
            found = self.processes(role)
            if found:
                return found
            time.sleep(0.05)
        return []

    def end_all(self, grace: float) -> int:
        """How many processes still run ``grace`` seconds from now; those are killed."""
        ends = time.monotonic() + grace
        while time.monotonic() < ends and self.processes():
            time.sleep(0.2)
        left = self.processes()
        while still := self.processes():
            for process in still:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.2)
        return len(left)

    # -- files ------------------------------------------------------------------------------------
    def results(self) -> dict[str, str]:
        """SHA-256 of every file below ``results``, by name."""
        files = (path for path in (self.root / "results").rglob("*") if path.is_file())
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    def left_behind(self) -> list[str]:
        """Files in the temporary folder, and halves of files beside results and records.

        The root of ``core.scratch`` with its lock stays by design; folders in it do not.
        """
        found = [path for path in self.temporary.rglob("*") if not _is_root(path)]
        for folder in ("results", ".cache"):
            found += [p for p in (self.root / folder).rglob(".*") if p.suffix in (".tmp", ".new")]
        return sorted(path.relative_to(self.base).as_posix() for path in found)

    def touch(self, names: list[str], seconds: float) -> None:
        """Let files look as if they were written ``seconds`` from now."""
        for name in names:
            when = time.time() + seconds
            os.utime(self.root / name, (when, when))


class Study:
    """A ``dvc repro`` under way; what it says is kept."""

    def __init__(
        self,
        environment: dict[str, str],
        root: Path,
        stages: tuple[str, ...],
        largest_file: int | None,
    ):
        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        self.said: list[str] = []
        self.process = subprocess.Popen(
            ["dvc", "repro", *stages],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=limit,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.said.append(line.decode(errors="replace").rstrip())

    def running(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """The exit status, negative for a signal; None if it still runs after ``seconds``."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def words(self) -> str:
        """The sentence that it ended with: the first error, else its last line."""
        errors = [line for line in self.said if line.lower().startswith(("error", "traceback"))]
        return next(iter(errors or self.said[-1:]), "")
