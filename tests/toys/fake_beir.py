"""A tiny retrieval set in BEIR's format, for the tests of what reads it."""

import json
import zipfile

import polars as pl

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


def as_lines(objects):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def files(**changes):
    """The files of the set by name, some replaced."""
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
    """That a prepared folder holds the set."""
    corpus, queries, qrels = read(folder)
    assert corpus.schema == queries.schema == {"id": pl.String, "text": pl.String}
    assert corpus.rows() == [("10", "Wings Lift\u2028of wings."), ("11", "Heat."), ("12", "Flow.")]
    assert queries.rows() == [("q1", "What lifts?"), ("q2", "Is it hot?")]  # q3 is not judged
    assert qrels.rows() == [("q1", "10", 2), ("q2", "11", 1)]
