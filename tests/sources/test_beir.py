import json
import zipfile

import polars as pl
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.sources import beir

DOCUMENTS = [
    {"_id": "10", "title": "Wings", "text": "Lift\u2028of wings.", "metadata": {}},
    {"_id": "11", "title": "", "text": "Heat."},
    {"_id": "12", "text": "Flow."},
]
QUERIES = [
    {"_id": "q1", "text": "What lifts?", "metadata": {"url": 1}},
    {"_id": "q2", "text": "Is it hot? "},
    {"_id": "q3", "text": "Only in training"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\t10\t2\nq1\t12\t0\nq2\t11\t1\n"
ARRAY = """['It is "one".'\n "It\\'s two." 'Three\\u00e9. ']"""


def as_lines(objects):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def files(**changes):
    found = {
        "corpus.jsonl": as_lines(DOCUMENTS),
        "queries.jsonl": as_lines(QUERIES),
        "qrels/test.tsv": QRELS,
    }
    return found | changes


def write(directory, found):
    for name, text in found.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")


def write_zip(path, found, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in found.items():
            archive.writestr(prefix + name, text)


def read(folder):
    return [pl.read_parquet(folder / f"{kind}.parquet") for kind in ("corpus", "queries", "qrels")]


def check(folder):
    corpus, queries, qrels = read(folder)
    assert corpus.schema == queries.schema == {"id": pl.String, "text": pl.String}
    assert corpus.rows() == [("10", "Wings Lift\u2028of wings."), ("11", "Heat."), ("12", "Flow.")]
    assert queries.rows() == [("q1", "What lifts?"), ("q2", "Is it hot?")]  # q3 is not judged
    assert qrels.rows() == [("q1", "10", 2), ("q2", "11", 1)]


def test_a_folder(tmp_path):
    write(tmp_path, files())
    spec = beir.prepare(tmp_path, tmp_path / "out" / "wings")
    assert spec["name"] == "wings"
    assert spec["counts"] == {"corpus": 3, "queries": 2, "qrels": 2}
    check(tmp_path / "out" / "wings")


def test_a_zip_file(tmp_path):
    write_zip(tmp_path / "wings.zip", files(), prefix="wings/")
    beir.prepare(tmp_path / "wings.zip", tmp_path / "out")
    check(tmp_path / "out")


def test_another_split(tmp_path):
    write(tmp_path, files(**{"qrels/dev.tsv": QRELS[: QRELS.index("q2")]}))
    assert beir.prepare(tmp_path, tmp_path / "out", split="dev")["counts"]["queries"] == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("corpus.jsonl", "", "corpus.jsonl is empty"),
        ("corpus.jsonl", "\n \n", "corpus.jsonl is empty"),
        ("corpus.jsonl", as_lines(DOCUMENTS) + "{", "line 4 is no JSON object with _id and text"),
        ("queries.jsonl", '{"_id": "q1"}\n', "queries.jsonl, line 1 is no JSON object"),
        ("corpus.jsonl", as_lines(DOCUMENTS + DOCUMENTS[:1]), "holds document '10' twice"),
        ("corpus.jsonl", as_lines(DOCUMENTS[1:]), "judges document '10', which it does not hold"),
        ("queries.jsonl", as_lines(QUERIES[1:]), "judges query 'q1', which it does not hold"),
        ("qrels/test.tsv", "q1\t10\t1\n", "test.tsv, line 1 is not the header query-id"),
        ("qrels/test.tsv", QRELS + "q1\t10\n", "test.tsv, line 5 has 2 columns where 3 "),
        ("qrels/test.tsv", QRELS + "q1\t10\tgood\n", "test.tsv, line 5: 'good' is no whole number"),
        ("qrels/test.tsv", QRELS + "q1\t10\t0.5\n", "test.tsv, line 5: '0.5' is no whole number"),
        ("qrels/test.tsv", QRELS[: QRELS.index("q1")] + "q1\t10\t0\n", "judges nothing relevant"),
    ],
)
def test_other_formats(tmp_path, name, text, message):
    write(tmp_path, files(**{name: text}))
    with pytest.raises(StudyError, match=message):
        beir.prepare(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_not_utf8_and_not_there(tmp_path):
    write(tmp_path, files())
    (tmp_path / "queries.jsonl").write_bytes(b'{"_id": "q1", "text": "hei\xdf"}\n')
    with pytest.raises(StudyError, match=r"queries.jsonl is not UTF-8 \(byte 27\)"):
        beir.prepare(tmp_path, tmp_path / "out")
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(StudyError, match="holds no queries.jsonl: put there a data set of BEIR"):
        beir.prepare(tmp_path, tmp_path / "out")
    with pytest.raises(StudyError, match="There is no .*none.zip"):
        beir.prepare(tmp_path / "none.zip", tmp_path / "out")


def test_a_zip_file_that_is_damaged(tmp_path):
    path = tmp_path / "wings.zip"
    write_zip(path, {"corpus.jsonl": as_lines(DOCUMENTS)})
    with pytest.raises(StudyError, match="holds no queries.jsonl: replace it"):
        beir.prepare(path, tmp_path / "out")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StudyError, match="wings.zip is truncated or corrupt"):
        beir.prepare(path, tmp_path / "out")


def test_scifact_of_beir(tmp_path):
    write_zip(tmp_path / "scifact.zip", files(), prefix="scifact/")
    beir.prepare_scifact(tmp_path, tmp_path / "out", md5=None)
    check(tmp_path / "out")
    beir.prepare_scifact(tmp_path / "scifact.zip", tmp_path / "named", md5=None)
    check(tmp_path / "named")
    with pytest.raises(StudyError, match="scifact.zip has md5 .* but 5f7d1de6"):
        beir.prepare_scifact(tmp_path, tmp_path / "out")
    write(tmp_path / "unpacked", files())
    beir.prepare_scifact(tmp_path / "unpacked", tmp_path / "again")
    check(tmp_path / "again")


def scifact_of_the_authors(directory, header="doc_id,title,abstract,structured"):
    quoted = '"' + ARRAY.replace('"', '""') + '"'
    write_zip(
        directory / "scifact.zip",
        {"corpus_train.csv": f"{header}\n10,Wings. ,{quoted},False\n11,Heat,['H.'],True\n"},
    )
    (directory / "beir_queries.jsonl").write_text(as_lines(QUERIES))
    qrels = "query-id\tcorpus-id\tscore\nq1\t10\t1\n"
    (directory / "beir_qrels_test.tsv").write_text(qrels)


def test_scifact_of_its_authors(tmp_path):
    scifact_of_the_authors(tmp_path)
    beir.prepare_scifact(tmp_path, tmp_path / "out", sha256=None)
    corpus, queries, _ = read(tmp_path / "out")
    assert corpus.rows() == [("10", 'Wings. It is "one". It\'s two. Threeé.'), ("11", "Heat H.")]
    assert queries.height == 1
    beir.prepare_scifact(tmp_path / "scifact.zip", tmp_path / "named", sha256=None)
    assert read(tmp_path / "named")[0].equals(corpus)
    with pytest.raises(StudyError, match="reads as 2 rows that are not the published ones"):
        beir.prepare_scifact(tmp_path, tmp_path / "out")
    scifact_of_the_authors(tmp_path, header="id,title,abstract,structured")
    with pytest.raises(StudyError, match="line 1 does not name doc_id, title, abstract"):
        beir.prepare_scifact(tmp_path, tmp_path / "out", sha256=None)


def test_printed_strings_are_not_glued():
    found = beir.printed_strings(ARRAY, "here")
    assert found == ['It is "one".', "It's two.", "Threeé."]
    assert beir.printed_strings("[]", "here") == []
    with pytest.raises(StudyError, match="here is no printed array of strings"):
        beir.printed_strings("An abstract.", "here")


def test_published_files(official_data, tmp_path):
    spec = beir.prepare_scifact(official_data("scifact"), tmp_path / "scifact")
    assert spec["counts"] == {"corpus": 5183, "queries": 300, "qrels": 339}
