import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import kdd12

URL = 18446744073709551615  # display URLs are 64-bit hashes, beyond a signed integer


def write(directory, events=100):
    lines = [
        f"{i % 4 % 3}\t{1 + i % 5}\t{URL - i % 2}\t{i % 7}\t9\t2\t1\t{i}\t3\t4\t5\t{i % 11}"
        for i in range(events)
    ]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "training.txt").write_text("\n".join(lines) + "\n")


def test_a_line_is_one_event_positive_if_ever_clicked(tmp_path):
    write(tmp_path)
    spec = kdd12.prepare(tmp_path, tmp_path / "kdd12", min_count=2)
    assert sum(spec["events"].values()) == 100  # not expanded by impressions
    clicks = sum(
        pl.read_parquet(tmp_path / "kdd12" / f"{split}.parquet")["label"].sum()
        for split in spec["events"]
    )
    assert clicks == 50  # clicks go 0 1 2 0: twice clicked is positive once
    rows = {field["name"]: field["rows"] for field in spec["fields"]}
    assert list(rows) == kdd12.FIELDS
    assert (rows["impression"], rows["display_url"], rows["user"]) == (6, 3, 12)
    assert rows["query"] == 1  # every query occurs once: all share the row of rare values


def test_impressions_can_be_left_out(tmp_path):
    write(tmp_path / "track2")
    spec = kdd12.prepare(tmp_path, tmp_path / "kdd12", impression=False)
    assert [field["name"] for field in spec["fields"]] == kdd12.FIELDS[1:]
    assert "left out" in spec["protocol"]


def test_wrong_column_count(tmp_path):
    write(tmp_path)
    with (tmp_path / "training.txt").open("a") as file:
        file.write("0\t1\n")
    with pytest.raises(StudyError, match="line 101 has 2 columns where 12 "):
        kdd12.prepare(tmp_path, tmp_path / "kdd12")
