import gzip

import polars as pl
import pytest
from fake_wheels import read_folder

from embedstudy.core.errors import StudyError
from embedstudy.sources import avazu

HEADER = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,"
    "device_id,device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21"
)
TEXT = "1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,ddd2926e,44956a24"
HOURS = ["14102100", "14102523", "14102605"]  # Tuesday, Saturday, Sunday


def write(directory, events=120, name="train"):
    lines = [
        f"{10**18 + i},{i % 2},{HOURS[i % 3]},1005,0,{TEXT},1,2,15706,320,50,1722,0,35,-1,79"
        for i in range(events)
    ]
    (directory / name).write_text("\n".join([HEADER, *lines]) + "\n")


def test_fields_and_calendar(tmp_path):
    write(tmp_path)
    spec = avazu.prepare(tmp_path, tmp_path / "avazu")
    names = [field["name"] for field in spec["fields"]]
    assert names == ["hour", "weekday", "is_weekend", *HEADER.split(",")[3:]]
    assert [field["rows"] for field in spec["fields"]][:5] == [4, 4, 3, 2, 2]
    stamps = pl.DataFrame({"hour": [int(hour) for hour in HOURS]})
    made = stamps.select(**avazu.calendar(pl.col("hour")))
    assert made.rows() == [(0, 2, 0), (23, 6, 1), (5, 7, 1)]
    assert sum(spec["events"].values()) == 120
    assert spec["min_count"] == 2


def test_other_header_is_refused(tmp_path):
    write(tmp_path)
    text = (tmp_path / "train").read_text().replace("id,click,hour", "id,hour,click", 1)
    (tmp_path / "train").write_text(text)
    with pytest.raises(StudyError, match="line 1 names 24 columns .id,hour,click"):
        avazu.prepare(tmp_path, tmp_path / "avazu")


def test_the_file_is_read_as_it_is_downloaded(tmp_path):
    write(tmp_path)
    avazu.prepare(tmp_path, tmp_path / "plain")
    (tmp_path / "packed").mkdir()
    packed = gzip.compress((tmp_path / "train").read_bytes())
    (tmp_path / "packed" / "train.gz").write_bytes(packed)
    avazu.prepare(tmp_path / "packed", tmp_path / "unpacked")
    assert read_folder(tmp_path / "plain") == read_folder(tmp_path / "unpacked")
    (tmp_path / "packed" / "train.gz").write_bytes(packed[:-200])
    with pytest.raises(StudyError, match=r"train.gz cannot be read in its published format"):
        avazu.prepare(tmp_path / "packed", tmp_path / "again")
    (tmp_path / "packed" / "train.gz").write_bytes(packed[:12])
    with pytest.raises(StudyError, match=r"train.gz is truncated or corrupt"):
        avazu.prepare(tmp_path / "packed", tmp_path / "again")


def test_short_line_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "train").write_text((tmp_path / "train").read_text() + "1,0,14102100\n")
    with pytest.raises(StudyError, match="line 122 has 3 columns where 24 "):
        avazu.prepare(tmp_path, tmp_path / "avazu")


def test_missing_file(tmp_path):
    with pytest.raises(
        StudyError, match="holds no train.csv or train or train.gz: put there train.gz .*Kaggle"
    ):
        avazu.prepare(tmp_path, tmp_path / "avazu")


def test_head_of_the_official_file(official_data, tmp_path):
    spec = avazu.prepare(official_data("avazu-sample"), tmp_path / "avazu")
    assert sum(spec["events"].values()) == 8087
    rows = {field["name"]: field["rows"] for field in spec["fields"]}
    assert rows["device_ip"] > rows["site_id"] > 10
