import pytest
from fake_beir import check as check_beir
from fake_beir import files
from fake_beir import write as write_beir

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.sources import official
from embedstudy.sources.core.ctr import read_spec


def write(directory):
    lines = ["\t".join(str((row + column) % 3) for column in range(12)) for row in range(60)]
    (directory / "training.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", official.official_sets())
def test_absent_files_are_one_line_saying_where_they_are_had(name, tmp_path):
    for line in (
        official.available(name, tmp_path),
        official.available(name, tmp_path / "none"),
        official.available(name, None),
    ):
        assert line.startswith(f"{name} is left out")
        assert official.official_sets()[name].source in line
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
    assert "sts13 has no use for --seed, --min-count" in error


def test_command_line_for_sentence_pairs(tmp_path, capsys):
    for subset in ("FNWN", "OnWN", "headlines"):
        (tmp_path / f"2013.{subset}.test.tsv").write_text("1.0\tA b.\tC d.\n")
    arguments = ["sts13", "--from", str(tmp_path), "--out", str(tmp_path / "out")]
    assert official.main(arguments) == 1  # not the published pairs
    assert "reads as 3 rows that are not the published ones" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--min-count", "-5", "--min-count is -5: it must be a whole number from 1"),
        ("--seed", str(2**70), f"--seed is {2**70}: it must be a whole number from 0"),
        ("--events", "0", "--events is 0: it must be a whole number from 1"),
        ("--events", "2", "A sample of 2 of the 60 events of kdd12 leaves none in the"),
    ],
)
def test_wrong_numbers_are_one_sentence(tmp_path, capsys, option, value, sentence):
    write(tmp_path)
    out = tmp_path / "out"
    assert official.main(["kdd12", "--from", str(tmp_path), "--out", str(out), option, value]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_sample_of_an_official_set(tmp_path):
    write(tmp_path)
    out = tmp_path / "out"
    assert (
        official.main(["kdd12", "--from", str(tmp_path), "--out", str(out), "--events", "40"]) == 0
    )
    assert 38 <= sum(read_spec(out)["events"].values()) <= read_spec(out)["sample"] == 40


def test_any_set_of_beir_is_prepared_under_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    write_beir(tmp_path / "raw", files())
    assert official.main(["beir", "--name", "touche", "--from", str(tmp_path / "raw")]) == 0
    assert "touche is prepared in" in capsys.readouterr().out
    assert official.main(["beir", "--name", "touche", "--from", str(tmp_path / "raw")]) == 0
    check_beir(tmp_path / "prepared" / "touche")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["beir"], "A set of beir needs a name: add --name"),
        (["beir", "--name", "../x"], "'../x' is no name for a data set"),
        (["beir", "--name", "..", "--out", "x"], "'..' is no name for a data set"),
        (["beir", "--name", "SciFact"], "The study has a data set SciFact of its own"),
        (["beir", "--name", "sts-b"], "The study has a data set sts-b of its own"),
        (["beir", "--name", "movielens"], "The study has a data set movielens of its own"),
        (["beir", "--name", "shop"], "shop holds a set of another kind (clicks): choose another"),
        (["kdd12", "--name", "mine"], "kdd12 has no use for --name"),
        (["touche"], "no official data set 'touche'"),
    ],
)
def test_names_that_are_refused(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    (tmp_path / "prepared" / "shop").mkdir(parents=True)
    (tmp_path / "prepared" / "shop" / "spec.json").write_text('{"kind": "clicks"}')
    write_beir(tmp_path / "raw", files())
    assert official.main([*arguments, "--from", str(tmp_path / "raw")]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
