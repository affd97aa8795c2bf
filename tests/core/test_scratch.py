import os
import signal
import subprocess
import sys

import pytest

from embedstudy.core import scratch
from embedstudy.core.errors import StudyError

HOLD = """
import time
from embedstudy.core import scratch
with scratch.folder() as folder:
    (folder / "large").write_bytes(bytes(1000))
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def held(temporary):
    """A process that holds a folder, and the folder."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True
    )
    return process, temporary / os.path.relpath(process.stdout.readline().strip(), temporary)


def test_a_folder_is_gone_with_its_block(temporary):
    with scratch.folder() as folder:
        (folder / "file").write_text("x")
        assert folder.parent == temporary / f"embedstudy-{os.getuid()}"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_the_next_start_sweeps_what_a_killed_process_left_and_no_more(temporary):
    killed, left = held(temporary)
    alive, kept = held(temporary)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "large").is_file()
        with scratch.folder():
            assert not left.exists()
            assert (kept / "large").is_file()
    finally:
        alive.kill()
        alive.wait()


def test_a_root_of_somebody_else_is_not_used(temporary):
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / f"embedstudy-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(StudyError, match="belongs to somebody else"), scratch.folder():
        pass
    assert list(elsewhere.iterdir()) == []
