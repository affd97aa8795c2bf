"""Copies of the working tree in which the pipeline runs on the smoke profile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embedstudy.core import catalogue, paths
from embedstudy.core.errors import StudyError
from embedstudy.sources.core import manifest

TABLES = [one.key for one in catalogue.of_place("tables")]
CHAPTERS = [one.key for place in catalogue.PLACES for one in catalogue.of_place(place)]


def data_is_complete():
    try:
        manifest.verify(paths.DATA)
    except StudyError:
        return False
    return True


needs_data = pytest.mark.skipif(not data_is_complete(), reason="needs the data: run `make data`")


class Checkout:
    """A copy of the working tree's tracked files, with the data linked in, set to ``smoke``."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def copy_of(cls, other: Path, folder: Path):
        """A copy of another checkout, with what has run there."""
        shutil.copytree(
            other,
            folder,
            symlinks=True,
            ignore=lambda path, _: ["data"] if path == str(other) else [],
        )
        shutil.copytree(other / "data", folder / "data", copy_function=os.link)
        return cls(folder)

    @classmethod
    def of_working_tree(cls, folder: Path):
        """The files as they are now, in a repository of its own."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=paths.ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source = paths.ROOT / name
            if source.is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)
        (folder / "dvc.lock").unlink(missing_ok=True)
        shutil.rmtree(folder / "results", ignore_errors=True)
        shutil.copytree(paths.DATA, folder / "data", copy_function=os.link)
        text = (folder / "params.yaml").read_text()
        (folder / "params.yaml").write_text(text.replace("profile: quick", "profile: smoke"))
        made = cls(folder)
        made.run("git", "init", "-q")
        made.commit("start")
        return made

    def copy(self, path, target):
        """Copy a file or folder of this checkout to the same place below ``target``."""
        source, place = self.folder / path, target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy2(source, place)

    def run(self, *command, code=0, folder=None, root=None):
        """Run a command as a newcomer would, with this checkout's library; return its output."""
        root = root or self.folder
        binaries = str(Path(sys.executable).parent)
        environment = os.environ | {
            "PATH": binaries + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(root / "lib"),
            "EMBEDSTUDY_ROOT": str(root),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@example.org",
        }
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said[-4000:]
        return said

    def commit(self, message):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def rows(self):
        return {c: (self.folder / "results" / c / "rows.parquet").read_bytes() for c in CHAPTERS}
