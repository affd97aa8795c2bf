import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets


def write(folder, name, **frames):
    (folder / name).mkdir()
    for split, frame in frames.items():
        pl.DataFrame(frame).write_parquet(folder / name / f"{split}.parquet")


def test_sick_is_scored_as_a_whole(tmp_path):
    rows = {"sentence1": ["a"], "sentence2": ["b"], "score": [1.0]}
    write(tmp_path, "sick", train=rows, valid=rows, test=rows)
    write(tmp_path, "stsb", train=rows, valid=rows, test=rows)
    assert sets.sts_pairs("SICK-R", tmp_path).height == 3
    assert sets.sts_pairs("STS-B", tmp_path).height == 1


def test_a_prepared_set(tmp_path):
    corpus = {"id": ["d"], "text": ["a"]}
    write(
        tmp_path,
        "scifact",
        corpus=corpus,
        queries=corpus,
        qrels={"query": ["d"], "document": ["d"], "relevance": [1]},
    )
    assert sets.retrieval("scifact", tmp_path).corpus.rows() == [("d", "a")]
    with pytest.raises(StudyError, match="'STS-B' is no retrieval set"):
        sets.retrieval("STS-B", tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(StudyError, match="scifact/corpus.parquet is missing: run"):
        sets.retrieval("scifact", tmp_path)
    with pytest.raises(StudyError, match="no benchmark 'STS17': use one of SICK-R, STS12"):
        sets.sts_pairs("STS17", tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("A dog runs.", "It's late"), ("it 's late", "a dog  runs ."), True),
        (("A dog runs.", "It's late"), ("A dog runs.", "It was late"), False),
        (("a", "b"), ("a", "a"), False),
        (("straße", "x_y"), ("STRASSE", "xy"), True),
    ],
)
def test_a_pair_is_the_same_turned_round_and_tokenised(one, other, same):
    assert (sets.pair_key(*one) == sets.pair_key(*other)) == same
