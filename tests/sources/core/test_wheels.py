import polars as pl
import pytest
from fake_wheels import damage, make_wheel

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.wheels import Wheel


@pytest.fixture
def path(tmp_path):
    members = {"b.py": "x = 1\n" * 500, "a.py": "", "t.parquet": pl.DataFrame({"x": [1, 2]})}
    return make_wheel(tmp_path, "one", "1.0", members)


def test_members_are_listed_in_order_and_read(path):
    with Wheel(path) as wheel:
        assert wheel.names(".py") == ["a.py", "b.py"]
        assert wheel.read("b.py") == b"x = 1\n" * 500
        assert wheel.read_parquet("t.parquet")["x"].to_list() == [1, 2]


def test_a_truncated_wheel_is_named(path):
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StudyError, match=r"one-1\.0-.*truncated or corrupt.*make data"):
        Wheel(path)


def test_a_missing_wheel_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"gone\.whl is missing"):
        Wheel(tmp_path / "gone.whl")


def test_a_corrupt_member_is_found_when_read(tmp_path):
    path = make_wheel(tmp_path, "one", "1.0", {"only.py": bytes(range(256)) * 50})
    damage(path)
    with (
        pytest.raises(StudyError, match=r"one-1\.0-.*truncated or corrupt"),
        Wheel(path) as wheel,
    ):
        wheel.read("only.py")


def test_a_missing_member_and_broken_parquet_are_named(tmp_path):
    path = make_wheel(tmp_path, "one", "1.0", {"t.parquet": "not Parquet"})
    with Wheel(path) as wheel:
        with pytest.raises(StudyError, match="holds no u.parquet"):
            wheel.read("u.parquet")
        with pytest.raises(StudyError, match=r"t\.parquet in .* is not readable Parquet"):
            wheel.read_parquet("t.parquet")
