import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import gowalla


def write(directory, test="0 4\n1 \n2 1\n"):
    (directory / "train.txt").write_text("0 1 2 3\n1 2\n2\n")
    (directory / "valid.txt").write_text("0 5\n1 3 0\n2 2\n")
    (directory / "test.txt").write_text(test)


def test_lines_become_pairs_in_file_order(tmp_path):
    write(tmp_path)
    spec = gowalla.prepare(tmp_path, tmp_path / "gowalla", test_md5=None)
    train = pl.read_parquet(tmp_path / "gowalla" / "train.parquet")
    assert train.schema == {"user": pl.UInt32, "item": pl.UInt32}
    assert train.rows() == [(0, 1), (0, 2), (0, 3), (1, 2)]
    test = pl.read_parquet(tmp_path / "gowalla" / "test.parquet")
    assert test.rows() == [(0, 4), (2, 1)]  # user 1 has none
    assert (spec["users"], spec["items"]) == (3, 6)
    assert spec["events"] == {"train": 4, "valid": 4, "test": 2}


def test_an_interaction_in_two_splits_is_refused(tmp_path):
    write(tmp_path, test="0 1\n")
    with pytest.raises(StudyError, match="1 interactions more than once"):
        gowalla.prepare(tmp_path, tmp_path / "gowalla", test_md5=None)


def test_another_test_file_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(StudyError, match=r"test.txt has md5 \w+, but c04e2c4b\w+ is published"):
        gowalla.prepare(tmp_path, tmp_path / "gowalla")


def test_words_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "train.txt").write_text("0 1 two\n")
    with pytest.raises(StudyError, match="train.txt cannot be read in its published format"):
        gowalla.prepare(tmp_path, tmp_path / "gowalla", test_md5=None)


def test_published_files(official_data, tmp_path):
    spec = gowalla.prepare(official_data("gowalla"), tmp_path / "gowalla")
    assert (spec["users"], spec["items"]) == (29_858, 40_981)
    assert spec["events"] == {"train": 719_081, "valid": 91_047, "test": 217_242}
