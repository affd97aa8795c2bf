import pytest
from fake_beir import DOCUMENTS, QUERIES, as_lines, check, files, read, write, write_zip

from embedstudy.core.errors import StudyError
from embedstudy.sources.text import scifact

ARRAY = """['It is "one".'\n "It\\'s two." 'Three\\u00e9. ']"""


def pins(directory):
    """The checksums of what ``directory`` holds."""
    return scifact._fingerprints(*scifact._read(directory))


def test_zipped_unpacked_and_named(tmp_path):
    write_zip(tmp_path / "scifact.zip", files(), prefix="scifact/")
    write(tmp_path / "unpacked", files())
    sha256 = pins(tmp_path)
    for number, path in enumerate((tmp_path, tmp_path / "scifact.zip", tmp_path / "unpacked")):
        scifact.prepare(path, tmp_path / str(number), sha256=sha256)
        check(tmp_path / str(number))


def test_another_set_is_refused_however_it_is_packed(tmp_path):
    write_zip(tmp_path / "scifact.zip", files(), prefix="scifact/")
    write(tmp_path / "unpacked", files())
    for path in (tmp_path, tmp_path / "unpacked"):
        with pytest.raises(
            StudyError, match=r"The corpus of .* is not that of SciFact .*beir --name"
        ):
            scifact.prepare(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        ("corpus", "corpus.jsonl", "Heat", "Heap"),
        ("queries", "queries.jsonl", "hot", "not"),
        ("qrels", "qrels/test.tsv", "q2\t11", "q2\t12"),
    ],
)
def test_a_changed_word_or_judgement_is_refused(tmp_path, kind, name, old, new):
    write(tmp_path / "whole", files())
    sha256 = pins(tmp_path / "whole")
    write(tmp_path / "changed", files(**{name: files()[name].replace(old, new)}))
    with pytest.raises(StudyError, match=f"The {kind} of .*changed is not that of SciFact"):
        scifact.prepare(tmp_path / "changed", tmp_path / "out", sha256=sha256)


def test_order_white_space_and_other_splits_do_not_matter(tmp_path):
    write(tmp_path / "whole", files())
    changes = {
        "corpus.jsonl": as_lines(reversed(DOCUMENTS)),
        "queries.jsonl": as_lines(QUERIES[:2]).replace("it hot", "it  hot"),
    }
    write(tmp_path / "other", files(**changes))
    assert pins(tmp_path / "whole") == pins(tmp_path / "other")


def of_the_authors(directory, header="doc_id,title,abstract,structured"):
    quoted = '"' + ARRAY.replace('"', '""') + '"'
    write_zip(
        directory / "scifact.zip",
        {"corpus_train.csv": f"{header}\n10,Wings. ,{quoted},False\n11,Heat,['H.'],True\n"},
    )
    (directory / "beir_queries.jsonl").write_text(as_lines(QUERIES))
    qrels = "query-id\tcorpus-id\tscore\nq1\t10\t1\n"
    (directory / "beir_qrels_test.tsv").write_text(qrels)


def test_files_of_the_authors(tmp_path):
    of_the_authors(tmp_path)
    scifact.prepare(tmp_path, tmp_path / "out", sha256={})
    corpus, queries, _ = read(tmp_path / "out")
    assert corpus.rows() == [("10", 'Wings. It is "one". It\'s two. Threeé.'), ("11", "Heat H.")]
    assert queries.height == 1
    scifact.prepare(tmp_path / "scifact.zip", tmp_path / "named", sha256={})
    assert read(tmp_path / "named")[0].equals(corpus)
    with pytest.raises(StudyError, match="The corpus of .* is not that of SciFact"):
        scifact.prepare(tmp_path, tmp_path / "out")
    of_the_authors(tmp_path, header="id,title,abstract,structured")
    with pytest.raises(StudyError, match="line 1 does not name doc_id, title, abstract"):
        scifact.prepare(tmp_path, tmp_path / "out", sha256={})


def test_printed_strings_are_not_glued():
    found = scifact.printed_strings(ARRAY, "here")
    assert found == ['It is "one".', "It's two.", "Threeé."]
    assert scifact.printed_strings("[]", "here") == []
    with pytest.raises(StudyError, match="here is no printed array of strings"):
        scifact.printed_strings("An abstract.", "here")


def test_published_files(official_data, tmp_path):
    spec = scifact.prepare(official_data("scifact"), tmp_path / "scifact")
    assert spec["counts"] == {"corpus": 5183, "queries": 300, "qrels": 339}
    assert spec["kind"] == "retrieval"
