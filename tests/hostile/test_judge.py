"""The suite notices what it is there to notice: faults planted in toy readers."""

import time

import numpy as np
import pytest
from hypothesis import strategies as st

from embedstudy.checks.fuzz import __main__ as fuzz
from embedstudy.checks.fuzz import judge as judges
from embedstudy.checks.fuzz.explore import explore, keep, kept
from embedstudy.checks.fuzz.judge import Case, Fault, Target, command, judge
from embedstudy.core.errors import StudyError

CASE = Case({"a.txt": b"content", "none.txt": None})


def target(run, inputs=lambda: st.binary(max_size=50).map(lambda b: Case({"a.txt": b}))):
    return Target("toy", lambda: CASE, inputs, run, 1)


def refuse(sentence):
    def run(case, given, out):
        error = StudyError()
        error.args = (sentence,)  # as it is
        raise error

    return run


def test_files_are_there_and_what_belongs_in_out_is_named():
    def run(case, given, out):
        assert (given / "a.txt").read_bytes() == b"content"
        assert not (given / "none.txt").exists()
        (out / "made").mkdir()
        return {"made"}

    assert judge(target(run), CASE) == "right"
    assert judge(target(refuse("No.")), CASE) == "refused"


def leave(name):
    def run(case, given, out):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("half")
        raise StudyError("No.")

    return run


def write_half(case, given, out):
    (out / "made").mkdir()
    (out / "made" / ".x.12.tmp").write_text("half")
    return {"made"}


def take(size):
    def run(case, given, out):
        np.ones(size // 8)
        return set()

    return run


def take_and_swallow(case, given, out):
    try:
        np.ones(1 << 40)
    except MemoryError:
        return set()


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (leave("part"), r"was refused and left \['part'\]"),
        (write_half, "left scratch files: .*x.12.tmp"),
        (refuse("two\nlines"), "holds the characters"),
        (refuse("a \x1b[31mred"), "holds the characters"),
        (refuse("x" * 3000), "has 3,000 characters"),
        (lambda *_: exit(), "SystemExit"),
    ],
)
def test_a_fault_is_told(run, words):
    with pytest.raises(Fault, match=words):
        judge(target(run), CASE)


def test_memory_that_no_machine_has_is_refused_to_the_call_alone():
    assert judge(target(take_and_swallow), CASE) == "right"
    assert np.ones(1 << 20).sum() == 1 << 20


def test_too_much_memory_is_a_fault(monkeypatch):
    monkeypatch.setattr(judges, "MEMORY", 32 << 20)
    with pytest.raises(Fault, match=r"It took \d\d MiB where 32 are allowed"):
        judge(target(take(64 << 20)), CASE)
    assert judge(target(take(8 << 20)), CASE) == "right"


def test_too_long_is_a_fault_even_if_errors_are_swallowed(monkeypatch):
    monkeypatch.setattr(judges, "SECONDS", 0.2)

    def run(case, given, out):
        while True:
            try:
                time.sleep(10)
            except Exception:
                continue

    with pytest.raises(Fault, match="more than 0.2 s"):
        judge(target(run), CASE)


def test_a_command_is_refused_by_its_error_line():
    def main(arguments):
        print("error: No.", file=__import__("sys").stderr)
        return 1

    def loud(arguments):
        print("Traceback\nerror: No.", file=__import__("sys").stderr)
        return 1

    with pytest.raises(StudyError, match=r"^No\.$"):
        command(main, [])
    with pytest.raises(Fault, match="ended with 1 and said 'Traceback"):
        command(loud, [])
    with pytest.raises(StudyError, match=r"^No\.$"):
        command(lambda _: exit("error: No."), [])
    command(lambda _: None, [])


# -- exploring ------------------------------------------------------------------------------------
def two_faults(case, given, out):
    if b"\0" in case["a.txt"]:
        raise KeyError("zero")
    if len(case["a.txt"]) > 20:
        raise ValueError("long")
    return set()


def test_every_fault_is_found_with_its_smallest_input():
    tally = explore(target(two_faults), runs=400, seed=0)
    smallest = {place.partition(" ")[0]: case for place, (case, _) in tally.failures.items()}
    assert smallest == {
        "KeyError": {"a.txt": b"\0"},
        "ValueError": {"a.txt": smallest["ValueError"]["a.txt"]},
    }
    assert len(smallest["ValueError"]["a.txt"]) == 21
    assert tally.runs >= 400
    assert tally.verdicts["right"] > 0 < tally.verdicts["failed"]


def test_the_same_seed_gives_the_same_inputs():
    seen = {}

    def run(case, given, out):
        seen.setdefault(seed, []).append(case["a.txt"])
        return set()

    for seed in (1, 2, 3):
        explore(target(run), runs=150, seed=min(seed, 2))
    assert seen[2] == seen[3] != seen[1]


def test_a_failing_input_is_kept_and_read_back(tmp_path):
    keep(tmp_path / "one", CASE, "It broke.")
    assert kept(tmp_path / "one") == CASE


def test_a_kept_input_is_tried_again_and_goes_when_it_is_mended(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "FAILED", tmp_path)
    broken = target(two_faults)
    assert fuzz._one(broken, runs=300, seed=0, seconds=60) == 1
    assert "--again" in capsys.readouterr().out
    assert len(list(tmp_path.glob("toy/*/how.txt"))) == 2
    assert fuzz._still_failing(broken) != []
    assert fuzz._one(target(lambda *_: set()), runs=10, seed=0, seconds=60) == 0
    assert list(tmp_path.glob("toy/*")) == []


def test_an_unknown_target_is_one_sentence(capsys):
    assert fuzz.main(["claims.yml"]) == 1
    assert "did you mean 'claims.yaml'?" in capsys.readouterr().err
