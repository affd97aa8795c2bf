import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources.text import cranfield

DOCUMENTS = """.I 1
.T
wings .
.A
smith,j.
.B
london .
.W
wings .
  lift of
wings .
.I 2
.T
.A
.B
.W
.I 3
.T
heat .
.W
heat .
"""
QUERIES = ".I 001\n.W\nwhat lifts\n  wings .\n.I 004\n.W\nis it .I hot .\n.I 9\n.W\nunjudged .\n"
QRELS = "1 1 1 \n1 3 4\n1 2 -1\n2 3 3\n2 3 2\n"


def write(directory, documents=DOCUMENTS, queries=QUERIES, qrels=QRELS):
    for name, text in zip(cranfield.FILES, (documents, queries, qrels), strict=True):
        (directory / name).write_bytes(text.replace("\n", "\r\n").encode())


def prepare(directory):
    return cranfield.prepare(directory, directory / "out", sha256={})


def test_tagged_text_and_judgements_by_position(tmp_path):
    write(tmp_path)
    assert prepare(tmp_path)["counts"] == {"corpus": 3, "queries": 2, "qrels": 3}
    frames = {
        kind: pl.read_parquet(tmp_path / "out" / f"{kind}.parquet")
        for kind in ("corpus", "queries", "qrels")
    }
    assert frames["corpus"].rows() == [("1", "wings . lift of wings ."), ("2", ""), ("3", "heat .")]
    # The second query prints 004, and the judgements call it 2.
    assert frames["queries"].rows() == [("1", "what lifts wings ."), ("2", "is it .I hot .")]
    # Code 1 is best; -1 is left out; of two codes for a pair the better counts.
    assert frames["qrels"].rows() == [("1", "1", 4), ("1", "3", 1), ("2", "3", 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"documents": ""}, "cran.all.1400 is empty"),
        ({"documents": "wings .\n"}, "cran.all.1400 does not begin with a line .I 1"),
        ({"queries": ".I 1\n.T\nno text\n"}, "cran.qry, record '1' has no number or no .W field"),
        ({"queries": ".I one\n.W\ntext\n"}, "cran.qry, record 'one' has no number"),
        ({"qrels": QRELS + "2 1\n"}, "cranqrel, line 6 is not query, document, code"),
        ({"qrels": QRELS + "2 7 1\n"}, "judges document '7', which it does not hold"),
        ({"qrels": QRELS + "8 1 1\n"}, "judges query '8', which it does not hold"),
    ],
)
def test_other_formats(tmp_path, change, message):
    write(tmp_path, **change)
    with pytest.raises(StudyError, match=message):
        prepare(tmp_path)


def test_not_utf8_and_other_contents(tmp_path):
    write(tmp_path)
    with pytest.raises(
        StudyError, match="cran.all.1400 reads as 3 rows that are not the published"
    ):
        cranfield.prepare(tmp_path, tmp_path / "out")
    (tmp_path / "cran.qry").write_bytes(b".I 1\n.W\nhei\xdf\n")
    with pytest.raises(StudyError, match=r"cran.qry is not UTF-8 \(byte 12\)"):
        prepare(tmp_path)


def test_published_files(official_data, tmp_path):
    spec = cranfield.prepare(official_data("cranfield"), tmp_path / "cranfield")
    assert spec["counts"] == {"corpus": 1400, "queries": 225, "qrels": 1612}
