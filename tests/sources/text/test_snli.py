import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import official
from embedstudy.sources.text import snli


def write(folder, **changes):
    parts = {"s1": "A man sits .\nA man sits .\n", "s2": "He sits .\nHe runs .\n"}
    parts |= {"labels": "entailment\ncontradiction\n"} | changes
    for part, text in parts.items():
        for split in ("dev", "test"):
            (folder / f"{part}.{split}").write_text(text)
    return folder


def test_parallel_files_become_pairs(tmp_path):
    spec = official.prepare("snli", write(tmp_path), tmp_path / "out")
    assert spec["pairs"] == {"valid": 2, "test": 2}
    frame = pl.read_parquet(tmp_path / "out" / "valid.parquet")
    assert frame.rows()[1] == ("A man sits .", "He runs .", "contradiction")


def test_triplets_need_both_kinds():
    rows = [
        ("p", "follows", "entailment"),
        ("p", "follows too", "entailment"),
        ("p", "maybe", "neutral"),
        ("p", "cannot be", "contradiction"),
        ("q", "follows", "entailment"),
    ]
    frame = pl.DataFrame(rows, schema=["premise", "hypothesis", "label"], orient="row")
    assert snli.triplets(frame).rows() == [("p", "follows", "cannot be")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"s2": "one line\n"}, "2 of premise, 1 of hypothesis, 2 of label lines"),
        ({"labels": "entailment\n-\n"}, "has the label '-': it must be one of entailment"),
        ({"s1": ""}, "s1.dev is empty"),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(StudyError, match=sentence):
        snli.prepare(write(tmp_path, **changes), tmp_path / "out")
