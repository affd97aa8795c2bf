"""Ours and the peer by turns: what is measured, and what is said of a peer that is missing."""

import sys

import pytest

from embedstudy.checks.bench import turns
from embedstudy.checks.bench.turns import Peer, beside

TORCH = Peer("a loop", "torch")
ABSENT = Peer("Fast", "no-such-package-here", "no-such-package-here helper")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only ``sleep`` moves."""
    now = [0.0]
    monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds

    return sleep


def test_the_ratio_is_the_median_of_the_pairs(clock):
    order = []
    # The first two calls of each warm up; then the machine is slow for a while, for both.
    mine, theirs = iter([1, 1, 1, 9, 2]), iter([1, 1, 3, 27, 4])

    def run(name, times):
        order.append(name)
        clock(next(times))

    row = beside(
        "sleep", "naps", 6, lambda: run("ours", mine), TORCH, lambda: lambda: run("peer", theirs),
        repeats=3, goal=2.0,
    )  # fmt: skip
    assert order[4:] == ["ours", "peer"] * 3
    assert row.ratio == 3
    assert (row.ours, row.theirs) == (3, 1.5)
    assert (row.goal, row.peer) == (2.0, "a loop")
    assert row.version[0].isdigit()


def test_short_calls_are_repeated_within_a_measurement(clock):
    calls = []
    row = beside(
        "nap", "naps", 1, lambda: (calls.append(0), clock(0.001)), TORCH, lambda: lambda: clock(1.0),
        repeats=1,
    )  # fmt: skip
    assert len(calls) == 2 + 20
    assert row.ours == pytest.approx(1000)


def test_a_peer_that_is_not_installed_is_said_to_be_missing(clock):
    def prepare():
        import no_such_package_here

        return no_such_package_here.run

    row = beside("nap", "naps", 2, lambda: clock(1.0), ABSENT, prepare, repeats=2, goal=1.0)
    assert row.version == "not installed: pip install no-such-package-here helper"
    assert (row.ours, row.theirs, row.ratio) == (2, None, None)


def test_a_peer_that_lacks_a_package_of_its_own_says_which(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "of_its_own", None)
    peer = Peer("Fast", "torch", "fast of-its-own")
    row = beside(
        "nap", "naps", 2, lambda: clock(1.0), peer, lambda: __import__("of_its_own"), repeats=1
    )
    assert row.version.startswith("cannot be imported (")
    assert row.version.endswith("pip install fast of-its-own")


def test_a_library_of_the_environment_that_cannot_be_imported_is_an_error(clock):
    with pytest.raises(ImportError):
        beside(
            "nap", "naps", 1, lambda: clock(1.0), TORCH, lambda: __import__("no_such"), repeats=1
        )
