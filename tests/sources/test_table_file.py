import gzip
import io

import polars as pl
import pytest
from fake_wheels import read_folder

from embedstudy.core import paths
from embedstudy.sources import table_file
from embedstudy.sources.core.ctr import read_spec

TABLE = pl.DataFrame(
    {
        "user": [f"u{row % 7}" for row in range(500)],
        "item": [f"it,em {row % 11}" for row in range(500)],
        "price": [f"{row % 5}.50" for row in range(500)],
        "stars": [row % 6 for row in range(500)],
        "clicked": [int(row % 3 == 0) for row in range(500)],
        "when": [row * 37 % 500 for row in range(500)],
    }
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    TABLE.write_csv(tmp_path / "events.csv")
    return tmp_path


def run(folder, *options, file="events.csv", name="shop", label="clicked"):
    return table_file.main([str(folder / file), "--name", name, "--label", label, *options])


def test_a_csv_file_becomes_a_click_through_set(folder, capsys):
    assert run(folder, "--fields", "user,item,price") == 0
    assert "shop is prepared in" in capsys.readouterr().out
    spec = read_spec(folder / "prepared" / "shop")
    assert spec["fields"] == [
        {"name": "user", "rows": 8},
        {"name": "item", "rows": 12},
        {"name": "price", "rows": 6},
    ]
    assert sum(spec["events"].values()) == 500
    clicks = sum(spec["events"][part] * rate for part, rate in spec["positive_rate"].items())
    assert round(clicks) == TABLE["clicked"].sum()
    assert (spec["name"], spec["min_count"]) == ("shop", 2)


def test_without_fields_every_other_column_is_one(folder):
    assert run(folder) == 0
    names = [field["name"] for field in read_spec(folder / "prepared" / "shop")["fields"]]
    assert names == [name for name in TABLE.columns if name != "clicked"]


def test_tab_gzip_parquet_and_another_delimiter_are_the_same_set(folder):
    TABLE.write_csv(folder / "events.tsv", separator="\t", include_bom=True)
    TABLE.write_csv(folder / "semicolons.csv", separator=";", line_terminator="\r\n")
    TABLE.write_parquet(folder / "events.parquet")
    (folder / "events.csv.gz").write_bytes(gzip.compress((folder / "events.csv").read_bytes()))
    run(folder, "--fields", "user,item")
    first = read_folder(folder / "prepared" / "shop")
    for file, *options in (
        ("events.tsv",),
        ("semicolons.csv", "--delimiter", ";"),
        ("events.parquet",),
        ("events.csv.gz",),
    ):
        assert run(folder, "--fields", "user,item", *options, file=file) == 0
        other = read_folder(folder / "prepared" / "shop")
        assert {name for name in first if first[name] != other[name]} <= {"spec.json"}, file


def test_the_split_by_time_trains_on_the_past(folder):
    assert run(folder, "--split", "time:when", "--fields", "user,when", "--min-count", "1") == 0
    whole = TABLE.select("when", "clicked")
    parts = [whole.filter(pl.col("when").is_between(low, high - 1)) for low, high in
             ((0, 400), (400, 450), (450, 500))]  # fmt: skip
    for split, part in zip(("train", "valid", "test"), parts, strict=True):
        written = pl.read_parquet(folder / "prepared" / "shop" / f"{split}.parquet")
        assert written["label"].to_list() == part["clicked"].to_list()  # in the file's order
    assert "order of when" in read_spec(folder / "prepared" / "shop")["protocol"]


def test_equal_times_and_dates_are_split_in_the_order_of_the_file(folder):
    frame = TABLE.with_columns(
        day=pl.Series([f"2024-01-{1 + row // 250:02}" for row in range(500)])
    )
    frame.write_csv(folder / "events.csv")
    assert run(folder, "--split", "time:day") == 0
    spec = read_spec(folder / "prepared" / "shop")
    assert spec["events"] == {"train": 400, "valid": 50, "test": 50}
    assert "day" not in [field["name"] for field in spec["fields"]]
    test = pl.read_parquet(folder / "prepared" / "shop" / "test.parquet")
    assert test["label"].to_list() == TABLE["clicked"][450:].to_list()


def test_a_threshold_makes_labels_of_ratings(folder):
    assert run(folder, "--positive-from", "4", label="stars") == 0
    spec = read_spec(folder / "prepared" / "shop")
    clicks = sum(spec["events"][part] * rate for part, rate in spec["positive_rate"].items())
    assert round(clicks) == (TABLE["stars"] >= 4).sum()


def test_a_sample(folder):
    assert run(folder, "--events", "100") == 0
    assert sum(read_spec(folder / "prepared" / "shop")["events"].values()) <= 100


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"file": "none.csv"}, "There is no file"),
        ({"file": "."}, "There is no file"),
        ({"label": "clickt"}, "has no column 'clickt': did you mean 'clicked'?"),
        ({"label": "stars"}, "row 3 below the header: stars is '2', but must be 0 or 1; a rating"),
        ({"label": "user"}, "row 1 below the header: user is 'u0', but must be 0 or 1"),
        (
            {"name": "movielens"},
            "The study has a data set movielens of its own: choose another --name",
        ),
        ({"name": "../shop"}, "'../shop' is no name for a data set"),
        ({"options": ["--fields", "user,itme"]}, "has no column 'itme': did you mean 'item'?"),
        ({"options": ["--fields", "user,user"]}, "--fields names 'user' twice"),
        ({"options": ["--fields", "user,clicked"]}, "'clicked' is among --fields"),
        ({"options": ["--split", "half"]}, "--split is 'half': it must be random or time:COLUMN"),
        ({"options": ["--split", "time:"]}, "--split is 'time:'"),
        ({"options": ["--split", "time:then"]}, "has no column 'then': did you mean 'when'?"),
        ({"options": ["--min-count", "-5"]}, "min_count is -5: it must be a whole number from 1"),
        ({"options": ["--seed", str(2**70)]}, "seed is 11805"),
        ({"options": ["--events", "3"]}, "A sample of 3 of the 500 events of shop leaves none"),
        ({"options": ["--delimiter", "::"]}, "--delimiter is '::': it must be one character"),
        ({"options": ["--delimiter", ";"]}, "has no column 'clicked'"),
        (
            {"label": "user", "options": ["--positive-from", "1"]},
            "user is 'u0', but must be a number",
        ),
    ],
)
def test_wrong_requests_are_one_sentence(folder, capsys, options, sentence):
    assert run(folder, *options.pop("options", []), **options) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (folder / "prepared" / "shop").exists()


def parquet(frame):
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("x.csv", b"", "x.csv is empty"),
        ("x.csv", b"user,clicked\n", "split of shop holds no event"),
        ("x.csv", b"user,clicked\na,1\nb\n", "line 3 has 1 cells where the header has 2"),
        ("x.csv", b"user,clicked\na,1\nb,1,1\n", "line 3 has 3 cells where the header has 2"),
        ("x.csv", b"user,user,clicked\na,b,1\n", "line 1 names the column 'user' twice"),
        ("x.csv", b"user,clicked\nK\xf6ln,1\n", "is not UTF-8"),
        ("x.csv", b'user,clicked\n"a,1\n', "line 2 is not CSV (unexpected end of data)"),
        ("x.csv", b"user,clicked\na,1\nb,\n", "row 2 below the header: clicked is 'None'"),
        ("x.csv", b"user,clicked\na,1\nb,nan\n", "row 2 below the header: clicked is 'nan'"),
        ("x.csv", b"clicked\n1\n", "leaves no field"),
        ("x.csv", b"unseen,clicked\na,1\n", "has a field 'unseen', a name that prepared sets"),
        ("x.csv", b"label,clicked\na,1\n", "has a field 'label', a name that prepared sets"),
        ("x.csv.gz", gzip.compress(b"user,clicked\na,1\n" * 99)[:-9], "cannot be read as a table"),
        ("x.parquet", b"user,clicked\na,1\n", "cannot be read as a table"),
        (
            "x.parquet",
            parquet(pl.DataFrame({"user": [["a"]], "clicked": [1]})),
            "column 'user' is List(String), which is no category: leave it out",
        ),
    ],
)
def test_wrong_files_are_one_sentence(folder, capsys, file, content, sentence):
    (folder / file).write_bytes(content)
    assert run(folder, file=file) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (folder / "prepared" / "shop").exists()


def test_an_empty_time_is_refused(folder, capsys):
    (folder / "x.csv").write_text("user,when,clicked\na,1,1\nb,,1\n")
    assert run(folder, "--split", "time:when", file="x.csv") == 1
    assert "row 2 below the header: when is empty" in capsys.readouterr().err
