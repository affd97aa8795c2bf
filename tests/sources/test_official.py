import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import official
from embedstudy.sources.ctr import read_spec


def write(directory):
    lines = ["\t".join(str((row + column) % 3) for column in range(12)) for row in range(60)]
    (directory / "training.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", official.OFFICIAL)
def test_absent_files_are_one_line_saying_where_they_are_had(name, tmp_path):
    for line in (
        official.available(name, tmp_path),
        official.available(name, tmp_path / "none"),
        official.available(name, None),
    ):
        assert line.startswith(f"{name} is left out")
        assert official.OFFICIAL[name].source in line
        assert "\n" not in line


def test_present_files_are_available(tmp_path):
    write(tmp_path)
    assert official.available("kdd12", tmp_path) is None
    assert "lacks train.txt or train.csv" in official.available("criteo", tmp_path)


def test_half_of_a_set_names_the_other_half(tmp_path):
    (tmp_path / "valid.libsvm").write_text("1\n")
    (tmp_path / "test.libsvm").write_text("1\n")
    assert "lacks Mobile_Frappe.zip:" in official.available("frappe", tmp_path)


def test_unknown_set_and_absent_folder(tmp_path):
    with pytest.raises(StudyError, match="no official data set 'ebay': use one of criteo, avazu"):
        official.available("ebay", tmp_path)
    with pytest.raises(StudyError, match=r"no folder .*none: name the one that holds train"):
        official.prepare("avazu", tmp_path / "none")


def test_command_line(tmp_path, capsys):
    write(tmp_path)
    out = tmp_path / "out" / "kdd12"
    arguments = ["kdd12", "--from", str(tmp_path), "--out", str(out), "--min-count", "3"]
    assert official.main(arguments) == 0
    assert read_spec(out)["min_count"] == 3
    assert "kdd12 is prepared in" in capsys.readouterr().out
    assert official.main(["criteo", "--from", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_options_a_set_has_no_use_for_are_refused(tmp_path, capsys):
    assert official.main(["sts13", "--from", str(tmp_path), "--min-count", "3", "--seed", "1"]) == 1
    error = capsys.readouterr().err
    assert "sts13 has published splits and no counts: drop --min-count, --seed." in error


def test_command_line_for_sentence_pairs(tmp_path, capsys):
    for subset in ("FNWN", "OnWN", "headlines"):
        (tmp_path / f"2013.{subset}.test.tsv").write_text("1.0\tA b.\tC d.\n")
    arguments = ["sts13", "--from", str(tmp_path), "--out", str(tmp_path / "out")]
    assert official.main(arguments) == 1  # not the published pairs
    assert "reads as 3 rows that are not the published ones" in capsys.readouterr().err
