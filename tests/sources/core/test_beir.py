import zipfile

import pytest
from fake_beir import DOCUMENTS, QRELS, QUERIES, as_lines, check, files, write, write_zip

from embedstudy.core.errors import StudyError
from embedstudy.sources.core import beir


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
        ("queries.jsonl", '{"_id": "q1", "text": "\\ud800"}\n', "line 1 is no JSON object"),
        (
            "queries.jsonl",
            '{"_id": "q1", "text": null}\n',
            "line 1: text is null, which is no text",
        ),
        (
            "queries.jsonl",
            '{"_id": "q1", "text": ["a"]}\n',
            r'line 1: text is \["a"\], which is no',
        ),
        ("corpus.jsonl", '{"_id": "10", "text": null}\n', "line 1: text is null, which is no text"),
        ("corpus.jsonl", '{"_id": {}, "text": "a"}\n', "line 1: _id is {}, which is no text"),
        ("corpus.jsonl", '{"_id": "a", "title": 3, "text": ""}\n', "line 1: title is 3, which is"),
        ("corpus.jsonl", "[" * 200_000 + "\n", "line 1 is no JSON object"),
        ("corpus.jsonl", as_lines(DOCUMENTS + DOCUMENTS[:1]), "holds document '10' twice"),
        ("corpus.jsonl", as_lines(DOCUMENTS[1:]), "judges document '10', which it does not hold"),
        ("queries.jsonl", as_lines(QUERIES[1:]), "judges query 'q1', which it does not hold"),
        ("qrels/test.tsv", "q1\t10\t1\n", "test.tsv, line 1 is not the header query-id"),
        ("qrels/test.tsv", QRELS + "q1\t10\n", "test.tsv, line 5 has 2 columns where 3 "),
        ("qrels/test.tsv", QRELS + "q1\t10\tgood\n", "test.tsv, line 5: 'good' is no whole number"),
        ("qrels/test.tsv", QRELS + "q1\t10\t0.5\n", "test.tsv, line 5: '0.5' is no whole number"),
        ("qrels/test.tsv", QRELS + f"q1\t10\t{2**70}\n", f"line 5: '{2**70}' is no whole number"),
        (
            "qrels/test.tsv",
            QRELS + "q1\t10\t1\n",
            "judges document '10' for query 'q1' in two ways",
        ),
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
    with pytest.raises(StudyError, match="wings.zip is truncated, corrupt or encrypted"):
        beir.prepare(path, tmp_path / "out")


def test_a_judgement_given_thrice_counts_once(tmp_path):
    write(tmp_path, files(**{"qrels/test.tsv": QRELS + 2 * "q2\t11\t1\n"}))
    assert beir.prepare(tmp_path, tmp_path / "out")["counts"]["qrels"] == 2


def test_a_zip_file_that_would_fill_the_memory_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(beir, "_BOMB", (200, 1000))
    path = tmp_path / "wings.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("corpus.jsonl", " " * 3_000_000)
    with pytest.raises(StudyError, match="claims that corpus.jsonl holds 3,000,000 bytes in"):
        beir.prepare(path, tmp_path / "out")


def test_an_encrypted_zip_file_is_one_sentence(tmp_path):
    path = tmp_path / "wings.zip"
    write_zip(path, files())
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of every member
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 1)
    path.write_bytes(content)
    with pytest.raises(StudyError, match="wings.zip is truncated, corrupt or encrypted"):
        beir.prepare(path, tmp_path / "out")
