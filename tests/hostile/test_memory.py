"""Peaks are those of a process of its own, and made-up rows are rows that the loader reads."""

import pytest

from embedstudy.checks import memory
from embedstudy.core.errors import StudyError


def test_made_up_rows_are_in_the_format(tmp_path):
    memory.write_criteo(tmp_path / "train.txt", 2000)
    lines = (tmp_path / "train.txt").read_text().splitlines()
    assert len(lines) == 2000
    assert {line.count("\t") for line in lines} == {39}
    columns = list(zip(*(line.split("\t") for line in lines), strict=True))
    assert set(columns[0]) == {"0", "1"}
    assert 300 < columns[5].count("") < 500
    assert len(set(columns[14 + 8])) == memory.VALUES[8]  # three values, all of them
    assert len(set(columns[14 + 2])) > 1000  # of ten million
    assert {len(value) for value in columns[16]} == {8}
    held, _ = memory.peak("criteo", tmp_path)
    assert 1 << 26 < held < 1 << 31


def test_both_bootstraps_are_measured_in_a_process_of_their_own():
    for task in ("bootstrap", "texts"):
        held, seconds = memory.peak(task, 1000, 10)
        assert 1 << 25 < held < 1 << 30
        assert seconds > 0


def test_a_peak_that_cannot_be_measured_is_one_sentence(tmp_path):
    with pytest.raises(StudyError, match="Measuring criteo failed: .*holds no train.txt"):
        memory.peak("criteo", tmp_path)


def test_a_line_is_carried_on():
    assert memory.carried_on([10, 20], [1000, 1500], 100) == (50.0, 5500.0)
