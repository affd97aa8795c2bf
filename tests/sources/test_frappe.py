import hashlib
import zipfile

import numpy as np
import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import frappe

PUBLISHED = {"train": 202_027, "valid": 57_722, "test": 28_860}  # BARS


@pytest.fixture
def rebuilt(official_data):
    return frappe.rebuild(official_data("frappe"), seed=0)


@pytest.fixture
def log(official_data):
    return frappe._uses(official_data("frappe") / "Mobile_Frappe.zip")


def test_rebuilt_splits_have_the_published_sizes(rebuilt):
    assert {split: frame.height for split, frame in rebuilt.items()} == PUBLISHED
    assert rebuilt["train"]["label"].sum() == 67_604
    assert (rebuilt["train"]["label"] == 0).sum() == 134_423


def test_validation_and_test_are_the_published_files(rebuilt):
    for split in ("valid", "test"):
        text = rebuilt[split].write_csv(line_terminator="\r\n")
        assert hashlib.md5(text.encode()).hexdigest() == frappe.MD5[split]


def test_the_positives_of_all_splits_are_the_log(rebuilt, log):
    positives = pl.concat(rebuilt.values()).filter(pl.col("label") == 1).select(frappe.FIELDS)
    assert positives.sort(frappe.FIELDS).equals(log.sort(frappe.FIELDS))


def test_negatives_are_never_used_by_their_user(rebuilt, log):
    negatives = rebuilt["train"].filter(pl.col("label") == 0)
    assert negatives.join(log, on=["user", "item"], how="semi").height == 0
    assert negatives["item"].min() >= 957
    assert negatives["item"].max() < 5039


def test_every_use_has_two_negatives_in_its_setting(rebuilt, log):
    setting = ["user", *frappe.CONTEXTS]
    negatives = pl.concat(rebuilt.values()).filter(pl.col("label") == 0)
    made = negatives.group_by(setting).len().sort(setting)
    wanted = log.group_by(setting).agg(len=2 * pl.len()).sort(setting)
    assert made.equals(wanted.with_columns(pl.col("len").cast(made.schema["len"])))


def test_negative_apps_are_uniform_not_by_popularity(rebuilt, log):
    negatives = rebuilt["train"].filter(pl.col("label") == 0)
    counts = negatives.group_by("item").len()["len"]
    mean = 134_423 / 4082
    assert counts.len() > 4070
    assert counts.mean() == pytest.approx(mean, rel=0.01)
    # Poisson but for the popular apps, which fewer users never used: their counts are lower
    assert counts.var() == pytest.approx(mean, rel=0.35)
    popular = log.group_by("item").len().sort("len", "item", descending=True).head(20)["item"]
    assert negatives.filter(pl.col("item").is_in(popular.to_list())).height < 20 * mean


def test_the_seed_draws_other_negatives_and_nothing_else(rebuilt, official_data):
    other = frappe.rebuild(official_data("frappe"), seed=1)
    assert other["test"].equals(rebuilt["test"])
    ordered = ["label", *frappe.FIELDS]
    first, second = (frames["train"].sort(ordered) for frames in (rebuilt, other))
    assert not first.equals(second)
    assert first.filter(pl.col("label") == 1).equals(second.filter(pl.col("label") == 1))
    again = frappe.rebuild(official_data("frappe"), seed=0)
    assert again["train"].equals(rebuilt["train"])


def test_prepared_set_says_that_negatives_were_resampled(official_data, tmp_path):
    spec = frappe.prepare(official_data("frappe"), tmp_path / "frappe")
    assert spec["events"] == PUBLISHED
    assert "training negatives re-sampled" in spec["protocol"]
    assert spec["positive_rate"]["train"] == pytest.approx(67_604 / 202_027)
    assert spec["positive_rate"]["test"] == pytest.approx(0.3304, abs=1e-4)
    test = pl.read_parquet(tmp_path / "frappe" / "test.parquet")
    assert test["unseen"].sum() == (test["user"] == 0).sum() < 60  # every app occurs in training


def test_ranks_reach_every_app_a_user_never_used_once():
    log = pl.DataFrame({"user": [0, 0, 0, 1, 2], "item": [957, 958, 961, 960, 959]})
    ranks = np.arange(4, dtype=np.uint64)  # five apps: two free for user 0, four for 1 and 2
    drawn = {user: frappe._unused(log, np.full(4, user), ranks).tolist() for user in range(3)}
    assert drawn == {0: [959, 960] * 2, 1: [957, 958, 959, 961], 2: [957, 958, 960, 961]}


ROWS = ["1,3,960,5039,5046,5053,5055,5058,5060,5069,5149"] * 6


def write_csv(directory, rows=ROWS, splits=("train", "valid", "test")):
    header = "label,user,item,daytime,weekday,isweekend,homework,cost,weather,country,city"
    for split in splits:
        (directory / f"{split}.csv").write_bytes("\r\n".join([header, *rows, ""]).encode())
    content = (directory / f"{splits[0]}.csv").read_bytes()
    return dict.fromkeys(["train", "valid", "test"], hashlib.md5(content).hexdigest())


def test_published_csv_splits_are_taken_as_they_are(tmp_path):
    md5 = write_csv(tmp_path)
    spec = frappe.prepare(tmp_path, tmp_path / "frappe", md5=md5)
    assert spec["events"] == {"train": 6, "valid": 6, "test": 6}
    assert "splits as published" in spec["protocol"]


def test_csv_with_another_checksum_is_refused(tmp_path):
    write_csv(tmp_path)
    with pytest.raises(StudyError, match=r"train.csv has md5 \w+, but ba7306e6\w+ is published"):
        frappe.prepare(tmp_path, tmp_path / "frappe")


def test_csv_with_a_wrong_column_count_is_refused(tmp_path):
    write_csv(tmp_path, [*ROWS, "1,2,3"])
    with pytest.raises(StudyError, match="train.csv, line 8 has 3 columns where 11"):
        frappe.prepare(tmp_path, tmp_path / "frappe")


def test_changed_libsvm_is_refused(official_data, tmp_path):
    for name in frappe.RAW_FILES:
        (tmp_path / name).write_bytes((official_data("frappe") / name).read_bytes())
    text = (tmp_path / "test.libsvm").read_text()
    (tmp_path / "test.libsvm").write_text("1" + text[1:])
    with pytest.raises(StudyError, match="test.libsvm does not hold the published test events"):
        frappe.prepare(tmp_path, tmp_path / "frappe")


def test_a_broken_archive_is_refused(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(StudyError, match="broken.zip is not the raw release"):
        frappe._uses(tmp_path / "broken.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("README.txt", "no log")
    with pytest.raises(StudyError, match=r"other.zip is not the raw release .no .*frappe.csv"):
        frappe._uses(tmp_path / "other.zip")


def test_nothing_there_names_the_published_files(tmp_path):
    with pytest.raises(StudyError, match=r"holds no train.csv.*Frappe_x1"):
        frappe.prepare(tmp_path, tmp_path / "frappe")
