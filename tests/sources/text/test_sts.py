import io
import tarfile

import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources.text import sick, sts_years, stsb


def read(folder, split="test"):
    return pl.read_parquet(folder / f"{split}.parquet")


def write_stsb(directory, test='"One, two.",Zwei ö ,2.5\nA,B,0.0\n'):
    (directory / "stsb-en-train.csv").write_text("A,B,5.0\n")
    (directory / "stsb-en-dev.csv").write_text("C,D,1.0\r\nE,F,1.5\r\n")
    (directory / "stsb-en-test.csv").write_bytes(test.encode())


def test_stsb(tmp_path):
    write_stsb(tmp_path)
    spec = stsb.prepare(tmp_path, tmp_path / "stsb", sha256={})
    assert spec["pairs"] == {"train": 1, "valid": 2, "test": 2}
    test = read(tmp_path / "stsb")
    assert test.schema == {"sentence1": pl.String, "sentence2": pl.String, "score": pl.Float64}
    assert test.rows() == [("One, two.", "Zwei ö", 2.5), ("A", "B", 0.0)]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("A,B\n", "stsb-en-test.csv, pair 1 has 2 columns where 3 are expected"),
        ("A,B,1\nA,B,high\n", "stsb-en-test.csv, pair 2: 'high' is no number"),
        ("A,B,nan\n", "stsb-en-test.csv, pair 1: 'nan' is no number"),
        ("", "stsb-en-test.csv is empty"),
        ("\n\n", "stsb-en-test.csv is empty"),
    ],
)
def test_stsb_in_another_format(tmp_path, test, message):
    write_stsb(tmp_path, test)
    with pytest.raises(StudyError, match=message):
        stsb.prepare(tmp_path, tmp_path / "stsb", sha256={})
    assert not (tmp_path / "stsb").exists()


def test_not_utf8(tmp_path):
    write_stsb(tmp_path)
    (tmp_path / "stsb-en-test.csv").write_bytes(b"A,B,1\nK\xf6ln,B,1\n")
    with pytest.raises(StudyError, match=r"stsb-en-test.csv is not UTF-8 \(byte 8\)"):
        stsb.prepare(tmp_path, tmp_path / "stsb", sha256={})


def test_other_pairs_than_the_published_ones(tmp_path):
    write_stsb(tmp_path)
    with pytest.raises(StudyError, match="train.csv reads as 1 rows that are not the published"):
        stsb.prepare(tmp_path, tmp_path / "stsb")


def write_sick(directory, header=sick.HEADER, end="\n"):
    for position, name in enumerate(sick.FILES, 1):
        lines = ["\t".join(header)]
        lines += [f"{i}\tA {i}\tB {i}\t{i}.5\tNEUTRAL" for i in range(1, 1 + position)]
        (directory / name).write_bytes(end.join([*lines, ""]).encode())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sick(tmp_path, end):
    write_sick(tmp_path, end=end)
    spec = sick.prepare(tmp_path, tmp_path / "sick", sha256={})
    assert spec["pairs"] == {"train": 1, "valid": 2, "test": 3}
    assert read(tmp_path / "sick", "valid").rows() == [("A 1", "B 1", 1.5), ("A 2", "B 2", 2.5)]


def test_sick_with_other_columns(tmp_path):
    write_sick(tmp_path, header=["id", *sick.HEADER[1:]])
    with pytest.raises(StudyError, match="SICK_train.txt, line 1 names 5 columns"):
        sick.prepare(tmp_path, tmp_path / "sick", sha256={})
    write_sick(tmp_path)
    with (tmp_path / "SICK_trial.txt").open("a") as file:
        file.write("9\tcut off")
    with pytest.raises(StudyError, match="SICK_trial.txt, line 4 has 2 columns where 5 "):
        sick.prepare(tmp_path, tmp_path / "sick", sha256={})


def archive(directory, change=lambda files: files):
    files = {}
    for subset in sts_years.SUBSETS[2012]:
        files[f"STS.input.{subset}.txt"] = f'{subset} "a\tb\nc\td\n'
        files[f"STS.gs.{subset}.txt"] = "1.5\n4.000\n"
    with tarfile.open(directory / sts_years.ARCHIVE_2012, "w:gz") as tar:
        for name, text in change(files).items():
            member = tarfile.TarInfo(f"test-gold/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))


def prepare_year(directory, year):
    return sts_years.prepare(directory, directory / "out", year=year, sha256={})


def test_2012_from_its_archive(tmp_path):
    archive(tmp_path)
    assert prepare_year(tmp_path, 2012)["pairs"] == {"test": 10}
    test = read(tmp_path / "out")
    assert test.rows()[2:4] == [('MSRvid "a', "b", 1.5, "MSRvid"), ("c", "d", 4.0, "MSRvid")]


def test_2012_archive_that_is_damaged(tmp_path):
    archive(tmp_path, lambda files: files | {"STS.gs.MSRpar.txt": "1\n2\n3\n"})
    with pytest.raises(StudyError, match="STS.input.MSRpar.txt has 2 pairs for 3 scores"):
        prepare_year(tmp_path, 2012)
    archive(tmp_path, lambda files: dict(list(files.items())[2:]))
    with pytest.raises(StudyError, match="holds no STS.input.MSRpar.txt"):
        prepare_year(tmp_path, 2012)
    whole = (tmp_path / sts_years.ARCHIVE_2012).read_bytes()
    (tmp_path / sts_years.ARCHIVE_2012).write_bytes(whole[:100])
    with pytest.raises(StudyError, match="test-gold.tgz is truncated or corrupt"):
        prepare_year(tmp_path, 2012)


def test_pairs_nobody_judged_are_left_out(tmp_path):
    for subset in sts_years.SUBSETS[2015]:
        text = f'\tnot\tjudged\n3.00\tA "quote\tof {subset}\n'
        (tmp_path / f"2015.{subset}.test.tsv").write_text(text)
    assert prepare_year(tmp_path, 2015)["pairs"] == {"test": 5}
    assert read(tmp_path / "out").rows()[0] == (
        'A "quote',
        "of answers-forums",
        3.0,
        "answers-forums",
    )


def test_files_as_semeval_published_them(tmp_path):
    for subset in sts_years.SUBSETS[2016]:
        text = "a\tb\tsource\tsource\nc\td\ne\tf\n"
        (tmp_path / f"STS.input.{subset}.txt").write_text(text)
        (tmp_path / f"STS.gs.{subset}.txt").write_text("2\n\n5\n")
    prepare_year(tmp_path, 2016)
    assert read(tmp_path / "out").rows()[:2] == [
        ("a", "b", 2.0, "answer-answer"),
        ("e", "f", 5.0, "answer-answer"),
    ]
    (tmp_path / "STS.gs.headlines.txt").unlink()
    with pytest.raises(StudyError, match="holds no STS.gs.headlines.txt"):
        prepare_year(tmp_path, 2016)


def test_published_files(official_data, tmp_path):
    stsb_pairs = stsb.prepare(official_data("stsb"), tmp_path / "stsb")["pairs"]
    assert stsb_pairs == {"train": 5749, "valid": 1500, "test": 1379}
    sick_pairs = sick.prepare(official_data("sick"), tmp_path / "sick")["pairs"]
    assert sick_pairs == {"train": 4500, "valid": 500, "test": 4927}
    for year, count in {2012: 3108, 2013: 1500, 2014: 3750, 2015: 3000, 2016: 1186}.items():
        spec = sts_years.prepare(official_data("sts12-16"), tmp_path / str(year), year=year)
        assert spec["pairs"] == {"test": count}
