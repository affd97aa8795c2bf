import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core import ctr
from embedstudy.sources.core.ctr import random_splits, read_spec, row_hash, write_ctr
from embedstudy.sources.core.raw_files import parsing

TRAIN = pl.DataFrame(
    {
        "label": [1, 0, 0, 1, 0, 0],
        "city": ["b", "a", "b", None, "a", "c"],
        "hour": [3, 3, 3, 7, 7, 9],
    }
)
TEST = pl.DataFrame(
    {"label": [1, 0, 1, 0], "city": ["b", "z", "c", None], "hour": [3, 7, 9, 8]},
)


def write(folder, splits=None, min_count=2):
    splits = splits or {"train": TRAIN, "valid": TEST.head(1), "test": TEST}
    return write_ctr(
        splits, ["city", "hour"], folder, name="toy", min_count=min_count, protocol="by hand"
    )


def digest(folder):
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
    }


def test_ids_follow_training_frequency_and_rare_values_share_row_0(tmp_path):
    write(tmp_path / "toy")
    train = pl.read_parquet(tmp_path / "toy" / "train.parquet")
    assert train.schema == {
        "label": pl.UInt8,
        "city": pl.UInt32,
        "hour": pl.UInt32,
        "unseen": pl.Boolean,
    }
    assert train["label"].to_list() == TRAIN["label"].to_list()
    assert train["city"].to_list() == [2, 1, 2, 0, 1, 0]  # a and b tie at 2: by value
    assert train["hour"].to_list() == [1, 1, 1, 2, 2, 0]
    assert not train["unseen"].any()


def test_whose_event_it_is_stands_beside_it(tmp_path):
    """By a field or by a column that is none; a sample keeps it with its event."""
    who = pl.Series("who", ["y", "x", "y", "z"])
    for group, numbers in (("city", [1, 3, 2, 0]), ("who", [1, 0, 1, 2])):
        splits = {"train": TRAIN.with_columns(who=pl.lit("w")), "test": TEST.with_columns(who)}
        options = {"name": "toy", "min_count": 2, "protocol": "by hand", "group": group}
        spec = write_ctr(splits, ["city", "hour"], tmp_path / "toy", **options)
        assert spec["group"] == group
        test = pl.read_parquet(tmp_path / "toy" / "test.parquet")
        assert test.schema["group"] == pl.UInt32
        if group == "who":
            assert test["group"].to_list() == numbers
        else:  # a null is a cluster of its own, after all values
            assert test["group"].rank("dense").to_list() == [1, 3, 2, 4]
        assert "who" not in test.columns


def test_a_sample_keeps_whose_event_it_is(tmp_path):
    many = pl.DataFrame({"label": [0, 1] * 50, "city": list(range(100))})
    write_ctr(
        {"train": many, "test": many}, ["city"], tmp_path / "toy", name="toy", min_count=1,
        protocol="by hand", events=50, group="city",
    )  # fmt: skip
    test = pl.read_parquet(tmp_path / "toy" / "test.parquet")
    assert len(test) == 25
    assert test["group"].is_sorted()
    assert test["group"].n_unique() == 25


def test_unseen_is_about_training_not_about_min_count(tmp_path):
    write(tmp_path / "toy")
    test = pl.read_parquet(tmp_path / "toy" / "test.parquet")
    assert test["city"].to_list() == [2, 0, 0, 0]
    assert test["unseen"].to_list() == [False, True, False, True]  # z; c is only rare; hour 8


def test_null_is_a_value_like_any_other(tmp_path):
    write(tmp_path / "toy", min_count=1)
    test = pl.read_parquet(tmp_path / "toy" / "test.parquet")
    assert test["city"].to_list() == [2, 0, 4, 3]  # a 1, b 2, null 3, c 4


def test_rows_are_those_of_the_values_kept_and_the_shared_one(tmp_path):
    spec = write(tmp_path / "toy")
    assert spec["fields"] == [{"name": "city", "rows": 3}, {"name": "hour", "rows": 3}]
    spec = write(tmp_path / "toy", min_count=9)
    assert spec["fields"] == [{"name": "city", "rows": 1}, {"name": "hour", "rows": 1}]


def numbered(rows):
    """Events whose two fields tell which event it is; half are positive."""
    row = pl.int_range(rows, eager=True)
    return pl.DataFrame({"label": row % 2, "city": row.cast(pl.String), "hour": row // 4})


def test_a_sample_is_drawn_before_the_vocabulary_is_built(tmp_path):
    splits = {"train": numbered(80), "valid": numbered(10), "test": numbered(10)}
    for kind, convert in (("eager", pl.DataFrame), ("lazy", pl.LazyFrame)):
        given = {split: convert(frame) for split, frame in splits.items()}
        options = {"name": "toy", "min_count": 1, "protocol": "by hand"}
        spec = write_ctr(given, ["city", "hour"], tmp_path / kind, events=50, **options)
        assert spec["events"] == {"train": 40, "valid": 5, "test": 5}
        assert spec["sample"] == 50
    assert digest(tmp_path / "eager") == digest(tmp_path / "lazy")
    drawn = numpy_generator(0, "sample", "train").choice(80, 40, replace=False)
    kept = splits["train"][np.sort(drawn)]
    train = pl.read_parquet(tmp_path / "lazy" / "train.parquet")
    assert train["label"].to_list() == kept["label"].to_list()  # the rows drawn, in their order
    assert spec["fields"] == [
        {"name": name, "rows": 1 + kept[name].n_unique()} for name in ("city", "hour")
    ]
    test = splits["test"][
        np.sort(numpy_generator(0, "sample", "test").choice(10, 5, replace=False))
    ]
    hours = kept["hour"].to_list()
    cities = kept["city"].to_list()
    unseen = [city not in cities or hour not in hours for _, city, hour in test.iter_rows()]
    assert pl.read_parquet(tmp_path / "lazy" / "test.parquet")["unseen"].to_list() == unseen
    assert any(unseen)


def test_a_sample_as_large_as_the_set_is_the_set(tmp_path):
    splits = {"train": numbered(80), "valid": numbered(10), "test": numbered(10)}
    options = {"name": "toy", "min_count": 2, "protocol": "by hand"}
    write_ctr(splits, ["city", "hour"], tmp_path / "whole", **options)
    write_ctr(splits, ["city", "hour"], tmp_path / "asked", events=100, **options)
    whole, asked = digest(tmp_path / "whole"), digest(tmp_path / "asked")
    assert whole.pop("spec.json") != asked.pop("spec.json")  # it says what was asked for
    assert whole == asked


def test_a_sample_too_small_for_a_split_is_refused(tmp_path):
    splits = {"train": numbered(80), "valid": numbered(10), "test": numbered(10)}
    options = {"name": "toy", "min_count": 1, "protocol": "by hand"}
    with pytest.raises(StudyError, match="sample of 5 of the 100 events of toy leaves none in the"):
        write_ctr(splits, ["city", "hour"], tmp_path / "toy", events=5, **options)
    assert list(tmp_path.iterdir()) == []


def test_spec_is_what_was_written(tmp_path):
    spec = write(tmp_path / "toy")
    assert read_spec(tmp_path / "toy") == spec
    assert spec["events"] == {"train": 6, "valid": 1, "test": 4}
    assert spec["positive_rate"] == {"train": 2 / 6, "valid": 1.0, "test": 0.5}
    assert (spec["min_count"], spec["protocol"]) == (2, "by hand")


def test_lazy_and_eager_inputs_and_rewriting_give_the_same_bytes(tmp_path):
    write(tmp_path / "eager")
    lazy = {"train": TRAIN.lazy(), "valid": TEST.head(1).lazy(), "test": TEST.lazy()}
    write(tmp_path / "lazy", lazy)
    first = digest(tmp_path / "lazy")
    write(tmp_path / "lazy", lazy)
    assert digest(tmp_path / "eager") == first == digest(tmp_path / "lazy")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "eager",
        "lazy",
    ]  # nothing left over


BIG = """
import sys
from pathlib import Path
import polars as pl
from embedstudy.sources.core import ctr
from embedstudy.sources.core.ctr import random_splits, row_hash, write_ctr
row = pl.int_range(700_000, eager=True).alias("row")
frame = row.to_frame().lazy().with_columns(
    label=row_hash(pl.col("row"), 1) % 2,
    few=row_hash(pl.col("row"), 2) % 50,
    many=(row_hash(pl.col("row"), 3) % 300_000).cast(pl.String),
)
write_ctr(random_splits(frame, "row", 0), ["few", "many"], Path(sys.argv[1]),
          name="big", min_count=2, protocol="made")
"""


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path):
    for threads in ("1", "3"):
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        folder = str(tmp_path / threads)
        subprocess.run([sys.executable, "-c", BIG, folder], check=True, env=environment)
    assert digest(tmp_path / "1") == digest(tmp_path / "3")
    made = pl.read_parquet(tmp_path / "1" / "train.parquet")
    row = pl.int_range(700_000, eager=True).alias("row").to_frame().lazy()
    kept = random_splits(row, "row", 0)["train"].collect()["row"]
    label = kept.to_frame().select(row_hash(pl.col("row"), 1) % 2).to_series()
    assert made["label"].to_list() == label.to_list()  # rows keep their order, over row groups
    few = kept.to_frame().select(value=row_hash(pl.col("row"), 2) % 50)
    pairs = few.with_columns(id=made["few"]).unique().sort("id")
    assert pairs["id"].to_list() == list(range(1, 51))


def test_labels_other_than_0_and_1_are_refused_and_nothing_is_left(tmp_path):
    wrong = TRAIN.with_columns(label=pl.Series([1, 0, 2, None, 0, 0]))
    with pytest.raises(StudyError, match="2 of 6 labels in the train split of toy"):
        write(tmp_path / "toy", {"train": wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("empty", ["train", "test"])
def test_an_empty_split_is_refused(tmp_path, empty):
    splits = {"train": TRAIN, "test": TEST}
    with pytest.raises(StudyError, match=f"The {empty} split of toy holds no event"):
        write(tmp_path / "toy", splits | {empty: TRAIN.head(0)})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the always full device of Linux")
def test_a_full_disk_is_named_and_not_taken_for_a_damaged_file(tmp_path):
    with (
        pytest.raises(StudyError, match="No space is left on the device for /dev"),
        parsing(tmp_path / "raw.txt", "nothing"),
    ):
        ctr._write(TRAIN.lazy(), Path("/dev/full"))


def test_missing_and_incomplete_folders_name_the_command(tmp_path):
    folder = tmp_path / "toy"
    with pytest.raises(StudyError, match="dvc repro prepare-toy"):
        read_spec(folder)
    write(folder)
    (folder / "valid.parquet").unlink()
    with pytest.raises(StudyError, match=r"valid.parquet missing.*dvc repro prepare-toy"):
        read_spec(folder)
    (folder / "spec.json").write_text(json.dumps({"name": "toy"}))
    with pytest.raises(StudyError, match="not a specification"):
        read_spec(folder)


def test_random_split_is_8_to_1_to_1_a_partition_and_fixed():
    frame = pl.int_range(100_000, eager=True).alias("row").to_frame().lazy()
    splits = {name: part.collect() for name, part in random_splits(frame, "row", 7).items()}
    sizes = [splits[name].height for name in ("train", "valid", "test")]
    assert sum(sizes) == 100_000
    assert pl.concat(splits.values())["row"].n_unique() == 100_000
    assert [round(size / 1000) for size in sizes] == [80, 10, 10]
    other = random_splits(frame, "row", 8)["test"].collect()
    overlap = splits["test"].join(other, on="row", how="semi").height
    assert overlap < 1_300  # independent seeds share a tenth, not all


def test_row_hash_is_splitmix64():
    # the widely published first outputs for seed 1234567
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    rows = pl.int_range(5, eager=True).alias("row").to_frame()
    assert rows.select(row_hash(pl.col("row"), 1234567)).to_series().to_list() == published
