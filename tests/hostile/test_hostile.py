"""Everything that reads a file, on a few hundred mutated ones; ``make fuzz`` tries thousands."""

import pytest

from embedstudy.checks.fuzz.explore import explore
from embedstudy.checks.fuzz.judge import judge
from embedstudy.checks.fuzz.targets import all_targets

TARGETS = all_targets()
INPUTS = 400  # of all targets together


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_file_is_right(name):
    assert judge(TARGETS[name], TARGETS[name].valid()) == "right"


@pytest.mark.filterwarnings("ignore::UserWarning")  # of hostile zip files
@pytest.mark.parametrize("name", TARGETS)
def test_any_file_is_right_or_one_sentence(name):
    total = sum(target.share for target in TARGETS.values())
    tally = explore(TARGETS[name], max(5, INPUTS * TARGETS[name].share // total), seed=0)
    assert tally.runs >= 5
    told = "\n\n".join(f"{place}\n{case!r}\n{how}" for place, (case, how) in tally.failures.items())
    assert not tally.failures, told
