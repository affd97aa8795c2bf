import math
import random

import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import criteo
from embedstudy.sources.core.ctr import read_spec

COLUMNS = ["label", *criteo.COUNTS, *criteo.CATEGORIES]


def event(rng):
    counts = [rng.choice(["", "-1", "0", "1", "2", "3", "57", "1382"]) for _ in range(13)]
    hashes = [rng.choice(["", "68fd1e64", "80e26c9b", "fb936136"]) for _ in range(26)]
    return [rng.choice("01"), *counts, *hashes]


def write(directory, events=300, name="train.txt"):
    rng = random.Random(0)
    rows = [event(rng) for _ in range(events)]
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    return rows


def test_buckets_are_those_of_the_winner():
    counts = [None, -1, 0, 1, 2, 3, 4, 5, 57, 65535]
    made = pl.DataFrame({"x": counts}).select(criteo.bucket(pl.col("x"))).to_series().to_list()
    expected = [x if x is None or x <= 2 else 2 + math.floor(math.log(x) ** 2) for x in counts]
    assert made == expected
    assert len({made[4], made[5]}) == 2  # 3 falls into bucket 1, which is not the value 1 or 2


def test_every_event_lands_in_one_split_with_its_values(tmp_path):
    rows = write(tmp_path / "raw")
    spec = criteo.prepare(tmp_path / "raw", tmp_path / "criteo", min_count=1)
    assert [field["name"] for field in spec["fields"]] == COLUMNS[1:]
    assert sum(spec["events"].values()) == len(rows)
    assert spec["events"]["train"] > 6 * spec["events"]["test"] > 0
    assert all(field["rows"] == 5 for field in spec["fields"][13:])  # row 0, missing, three hashes
    assert spec["fields"][0]["rows"] == 9  # -1, 0, 1, 2, three buckets, missing and row 0
    splits = [pl.read_parquet(tmp_path / "criteo" / f"{split}.parquet") for split in spec["events"]]
    assert sum(part["label"].sum() for part in splits) == sum(row[0] == "1" for row in rows)
    assert sum(part.height for part in splits) == len(rows)


def test_split_follows_the_seed(tmp_path):
    write(tmp_path / "raw")
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder, seed in zip(folders, [0, 0, 1], strict=True):
        criteo.prepare(tmp_path / "raw", folder, seed=seed)
    first, again, other = ((folder / "train.parquet").read_bytes() for folder in folders)
    assert first == again != other


def test_missing_file_says_where_it_is_had(tmp_path):
    with pytest.raises(StudyError, match=r"holds no train.txt or train.csv.*Kaggle"):
        criteo.prepare(tmp_path, tmp_path / "criteo")


def test_empty_file(tmp_path):
    (tmp_path / "train.txt").touch()
    with pytest.raises(StudyError, match=r"train.txt is empty"):
        criteo.prepare(tmp_path, tmp_path / "criteo")


@pytest.mark.parametrize(("cut", "found"), [(39, 39), (41, 41)])
def test_wrong_column_count_names_the_line_and_writes_nothing(tmp_path, cut, found):
    rows = write(tmp_path / "raw")
    rows[122] = [*rows[122], "extra"][:cut]
    (tmp_path / "raw" / "train.txt").write_text("".join("\t".join(row) + "\n" for row in rows))
    with pytest.raises(StudyError, match=rf"train.txt, line 123 has {found} columns where 40 "):
        criteo.prepare(tmp_path / "raw", tmp_path / "criteo")
    assert not (tmp_path / "criteo").exists()


def test_a_file_cut_off_in_its_last_line_is_refused(tmp_path):
    write(tmp_path / "raw")
    path = tmp_path / "raw" / "train.txt"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StudyError, match="line 300 has"):
        criteo.prepare(tmp_path / "raw", tmp_path / "criteo")


def test_text_in_a_number_column_is_refused(tmp_path):
    rows = write(tmp_path / "raw")
    rows[9][3] = "many"
    (tmp_path / "raw" / "train.txt").write_text("".join("\t".join(row) + "\n" for row in rows))
    with pytest.raises(StudyError, match=r"cannot be read in its published format .*many"):
        criteo.prepare(tmp_path / "raw", tmp_path / "criteo")


def test_a_folder_with_odd_characters_is_read(tmp_path):
    write(tmp_path / "a b[1]#%20")
    spec = criteo.prepare(tmp_path / "a b[1]#%20", tmp_path / "out [x]" / "criteo")
    assert read_spec(tmp_path / "out [x]" / "criteo") == spec


def test_head_of_the_official_file(official_data, tmp_path):
    spec = criteo.prepare(official_data("criteo-sample"), tmp_path / "criteo")
    assert sum(spec["events"].values()) == 7200
    train = pl.read_parquet(tmp_path / "criteo" / "train.parquet")
    raw = pl.read_csv(
        official_data("criteo-sample") / "train.csv", separator="\t", has_header=False
    )
    assert train["C1"].max() == (spec["fields"][13]["rows"] - 1) > 10
    assert 0.2 < spec["positive_rate"]["train"] < 0.3
    assert raw["column_1"].sum() == sum(
        round(spec["positive_rate"][split] * spec["events"][split]) for split in spec["events"]
    )
