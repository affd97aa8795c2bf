"""The crash suite on a toy study: it lets a good one pass and tells what is wrong with a bad one."""

import os
import random
import sys
import textwrap

import pytest

from embedstudy.checks.crash import __main__ as crash
from embedstudy.checks.crash import blows
from embedstudy.checks.crash.blows import Blow, plan, strike
from embedstudy.checks.crash.scratch import ROLES, Scratch

# A study of twelve steps, each a file, by a chapter in a process of its own.
DVC = """\
    #!{python}
    import pathlib, subprocess, sys
    pathlib.Path("results").mkdir(exist_ok=True)
    chapter = subprocess.Popen([{python!r}, "chapter.py", "embedstudy.pipeline.execute"])
    sys.exit(chapter.wait())
"""
GOOD = """\
    import os, pathlib, time
    parent = os.getppid()
    for step in range(12):
        time.sleep(0.06)
        if os.getppid() != parent:
            raise SystemExit("error: dvc is gone.")
        file = pathlib.Path(f"results/{step}")
        if not file.exists():
            part = pathlib.Path(f"part-{step}")
            part.write_text(str(step) * 1000)
            part.rename(file)
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A scratch copy whose ``dvc`` is the toy; ``chapter`` replaces what its chapter does."""
    monkeypatch.setattr(blows, "GRACE", 1.0)
    made = Scratch.__new__(Scratch)
    made.stages, made.base, made.root, made.temporary = (
        (),
        tmp_path,
        tmp_path / "checkout",
        tmp_path / "tmp",
    )
    binaries = tmp_path / "bin"
    for folder in (made.root, binaries):
        folder.mkdir()
    (binaries / "dvc").write_text(textwrap.dedent(DVC).format(python=sys.executable))
    (binaries / "dvc").chmod(0o755)
    environment = made._environment()
    path = os.pathsep.join([str(binaries), environment["PATH"]])
    monkeypatch.setattr(made, "_environment", lambda: environment | {"PATH": path})
    (made.root / "chapter.py").write_text(textwrap.dedent(GOOD))
    made.reset()
    yield made
    made.end_all(0)


def edit(scratch, old, new):
    file = scratch.root / "chapter.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_every_kind_of_blow_comes_up_before_one_comes_again():
    found = plan(24, seed=1, longest=10)
    first = {(blow.target, blow.how.split()[-1]) for blow in found[:12]}
    assert len(first) == 12
    assert {target for target, _ in first} == {*ROLES, "all", "disk", "clock"}
    assert all(0.3 <= blow.after <= 10 for blow in found)
    assert found == plan(24, seed=1, longest=10) != plan(24, seed=2, longest=10)


@pytest.mark.parametrize("target", ["dvc", "chapter", "all"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_blow_ends_the_study_and_a_restart_goes_on(scratch, target, how):
    outcome = strike(scratch, Blow(0.4, target, how), random.Random(0))
    assert not outcome.finished
    assert not outcome.left
    assert 0 < len(scratch.results()) < 12
    assert scratch.processes() == []
    assert crash._to_the_end(scratch, None, "here") == (True, [])
    assert len(scratch.results()) == 12


def test_a_file_that_grows_too_large_is_a_full_disk(scratch):
    outcome = strike(scratch, Blow(0.5, "disk", "900 bytes a file"), random.Random(0))
    assert "OSError" in outcome.words or "Traceback" in outcome.words
    assert scratch.results() == {}


def test_a_good_study_comes_out_the_same(scratch, capsys):
    assert crash._all_passes(scratch, kills=4, a_pass=3, seed=3) == []
    told = capsys.readouterr().out
    assert told.count("12 of 12 files are the same bytes") >= 2


def test_a_process_that_outlives_its_study_is_told_and_ended(scratch):
    edit(scratch, "if os.getppid() != parent:", "if False:")
    edit(scratch, "time.sleep(0.06)", "time.sleep(0.5)")
    outcome = strike(scratch, Blow(0.3, "dvc", "SIGKILL"), random.Random(0))
    assert outcome.left == 1
    assert "1 processes still ran after 1 s" in outcome.words
    assert scratch.processes() == []


def test_bytes_that_differ_and_files_that_stay_are_told(scratch):
    assert crash._to_the_end(scratch, None, "first") == (True, [])
    expected = scratch.results()
    (scratch.root / "results" / "7").unlink()
    more = "part.write_text('x')\n        open(os.environ['TMPDIR'] + '/left', 'w')"
    edit(scratch, "part.write_text(str(step) * 1000)", more)
    _, wrong = crash._to_the_end(scratch, expected, "second")
    assert wrong == ["second: left behind: tmp/left", "second: results/7 differs"]
