import fake_beir
import numpy as np
import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets, tasks
from embedstudy.sources.core import beir


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PREPARED", tmp_path)
    docs = {
        "query": [f"ask {i}" for i in range(50)],
        "document": [f"answer {i}" for i in range(50)],
    }
    for name in ("docs", "stsb"):
        (tmp_path / name).mkdir()
    for split in ("train", "test"):
        pl.DataFrame(docs).write_parquet(tmp_path / "docs" / f"{split}.parquet")
    pairs = {"sentence1": ["a", "b", "c"], "sentence2": ["x", "y", "z"], "score": [0.0, 1.0, 5.0]}
    pl.DataFrame(pairs).write_parquet(tmp_path / "stsb" / "test.parquet")


def test_a_subset_asks_only_for_documents_it_kept(prepared):
    task = tasks.load("docs", queries=5, documents=20)
    documents, queries = task.text_lists()
    assert (len(documents), len(queries)) == (20, 5)
    assert {q.replace("ask", "answer") for q in queries} <= set(documents)
    assert task.sets.qrels["query"].to_list() == task.sets.queries["id"].to_list()
    again = tasks.load("docs", queries=5, documents=20)
    assert again.text_lists() == task.text_lists()


def test_whole_without_limits(prepared):
    assert [len(texts) for texts in tasks.load("docs").text_lists()] == [50, 50]


def test_the_values_of_pairs_are_their_cosines(prepared):
    task = tasks.load("STS-B")
    vectors = {"a": [1, 0], "b": [1, 0], "c": [1, 0], "x": [0, 1], "y": [1, 1], "z": [2, 0]}
    cosines = task.scores(lambda texts: np.array([vectors[t] for t in texts], np.float32))
    assert cosines == pytest.approx([0, 0.5**0.5, 1])


def test_a_task_names_the_pairs_it_judges_in_any_order_and_spelling(prepared):
    assert tasks.load("STS-B").text_pairs() == [("a", "x"), ("b", "y"), ("c", "z")]
    assert ("ask 3", "answer 3") in tasks.load("docs").text_pairs()
    judged = tasks.judged_pairs(["STS-B", "docs"])
    assert len(judged) == 53
    assert sets.pair_key(" Answer 3.", "ASK  3") in judged
    assert sets.pair_key("answer 3", "ask 4") not in judged


def test_the_test_split_of_a_set_judged_whole_is_a_task_of_its_own(prepared, tmp_path):
    (tmp_path / "sick").mkdir()
    for split in ("train", "valid", "test"):
        pairs = {"sentence1": [split], "sentence2": ["b"], "score": [1.0]}
        pl.DataFrame(pairs).write_parquet(tmp_path / "sick" / f"{split}.parquet")
    assert tasks.load("SICK-R-test").text_pairs() == [("test", "b")]
    assert len(tasks.load("SICK-R").text_pairs()) == 3
    assert tasks.folder("SICK-R-test") == "sick"
    assert tasks.available(["SICK-R-test"]) == ["SICK-R-test"]
    assert tasks.modules(["SICK-R-test"]) == tasks.modules(["SICK-R"])
    assert not tasks.is_retrieval("SICK-R-test")
    assert "SICK-R-test" not in sets.PUBLISHED
    with pytest.raises(StudyError, match="no task 'SICK-R-tets': did you mean 'SICK-R-test'"):
        tasks.check("SICK-R-tets", {})


def test_what_is_prepared_and_what_a_run_reads(prepared):
    assert tasks.available(["STS-B", "SICK-R", "docs"]) == ["STS-B", "docs"]
    assert [tasks.folder(name) for name in ("STS-B", "docs")] == ["stsb", "docs"]


def test_training_texts_never_come_from_the_test_split(prepared, tmp_path):
    pl.DataFrame({"query": ["q"], "document": ["seen in training"]}).write_parquet(
        tmp_path / "docs" / "train.parquet"
    )
    assert tasks.training_texts("docs", 10) == ["seen in training"]
    assert tasks.training_kinds("docs") == ("docs",)
    assert tasks.training_kinds("scifact") == ("docs", "reviews")


@pytest.mark.parametrize(
    ("name", "limits", "sentence"),
    [
        ("nonsense", {}, "no task 'nonsense': known are .*docs.*official beir --name nonsense"),
        ("scifcat", {}, "no task 'scifcat': did you mean 'scifact'?"),
        ("../docs", {}, "no task '../docs'"),
        ("STS-B", {"queries": 3}, "'STS-B' cannot be limited by 'queries'"),
        ("docs", {"questions": 3}, "'docs' cannot be limited by 'questions'"),
    ],
)
def test_wrong_tasks_are_one_sentence(prepared, name, limits, sentence):
    with pytest.raises(StudyError, match=sentence):
        tasks.load(name, **limits)


def test_what_asks_in_training_is_distinct_and_not_empty(prepared, tmp_path):
    frame = pl.DataFrame({"query": ["b", "a", " ", "b"], "document": ["1", "2", "3", "4"]})
    frame.write_parquet(tmp_path / "docs" / "train.parquet")
    assert tasks.training_queries("docs").to_list() == ["b", "a"]


def test_only_docs_and_reviews_have_training_texts(prepared):
    with pytest.raises(StudyError, match="'scifact' has no training texts"):
        tasks.training_texts("scifact", 3)


def prepare_beir(folder, tmp_path):
    fake_beir.write(tmp_path / "raw", fake_beir.files())
    beir.prepare(tmp_path / "raw", folder)


def test_a_prepared_beir_folder_is_a_task_of_its_name(prepared, tmp_path):
    with pytest.raises(StudyError, match="no task 'touche'"):
        tasks.check("touche", {})
    prepare_beir(tmp_path / "touche", tmp_path)
    task = tasks.load("touche")
    assert [len(texts) for texts in task.text_lists()] == [3, 2]
    assert tasks.is_task("touche")
    assert tasks.is_retrieval("touche")
    assert tasks.available(["touche"]) == [tasks.folder("touche")] == ["touche"]
    assert tasks.training_kinds("touche") == ("docs", "reviews")
    with pytest.raises(StudyError, match="'touche' cannot be limited by 'queries': only docs and"):
        tasks.check("touche", {"queries": 1})
    with pytest.raises(StudyError, match="no task 'touch': did you mean 'touche'"):
        tasks.check("touch", {})


@pytest.mark.parametrize("spec", ['{"kind": "clicks"}', "[]", "{", None])
def test_a_folder_that_is_no_retrieval_set_is_no_task(prepared, tmp_path, spec):
    prepare_beir(tmp_path / "touche", tmp_path)
    if spec is None:
        (tmp_path / "touche" / "qrels.parquet").unlink()
    else:
        (tmp_path / "touche" / "spec.json").write_text(spec)
    assert not tasks.is_task("touche")


def test_names_do_not_lead_out_of_the_folder(prepared, tmp_path, monkeypatch):
    prepare_beir(tmp_path / "outside", tmp_path)
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "inside")
    assert not tasks.is_task("../outside")
    assert not tasks.is_task(str(tmp_path / "outside"))
    assert not tasks.is_task("")


def test_a_run_lists_the_modules_its_tasks_are_found_in():
    text = "embedstudy.sources.text"
    assert tasks.modules(["STS12", "docs"]) == [
        f"{text}.docs",
        f"{text}.reviews",
        f"{text}.sts_years",
    ]
    assert tasks.modules(["docs"]) == [f"{text}.docs"]


def test_a_smaller_subset_lies_within_a_larger_one():
    frame = pl.DataFrame({"row": range(200)})
    few, many = (set(tasks._some(frame, count, "docs")["row"]) for count in (20, 90))
    assert len(few) == 20
    assert few < many
