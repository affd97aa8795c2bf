"""No pair that is judged is trained on: every training set beside every task, from official files."""

import io
import tarfile

import polars as pl
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import sets, tasks
from embedstudy.sources.core.text_sets import task_sets, text_sets
from embedstudy.sources.text import sick, snli, sts_years, stsb
from embedstudy.study.matryoshka.data import DATA, check_data, training_sets, training_texts

# In every split of every set, with another order, case and punctuation: what must not be trained on.
SHARED = ("A man isn't playing a guitar.", "A dog runs, and barks")
TURNED = ("a dog runs and barks .", "A man is n't playing a guitar")
TASKS = [*task_sets(), *sets.HELD_OUT]


def own(name):
    return f"only in {name}", f"nowhere but in {name}"


def write_stsb(raw):
    for number, split in enumerate(("train", "dev", "test")):
        rows = [own(f"stsb {split}"), SHARED if number % 2 else TURNED]
        lines = [f'"{a}","{b}",{2 + i}.5\n' for i, (a, b) in enumerate(rows)]
        (raw / f"stsb-en-{split}.csv").write_text("".join(lines))


def write_sick(raw):
    for split, file in sick.SPLITS.items():
        rows = [own(f"sick {split}"), TURNED]
        cells = [(str(i), a, b, f"{i + 2}.5", "NEUTRAL") for i, (a, b) in enumerate(rows)]
        (raw / file).write_text("".join("\t".join(row) + "\n" for row in (sick.HEADER, *cells)))


def write_snli(raw):
    rows = [
        (*SHARED, "entailment"),
        (SHARED[0], "He sleeps", "contradiction"),
        ("Two men talk", "Men talk", "entailment"),
        ("Two men talk", "Nobody talks", "contradiction"),
        (TURNED[0], "Dogs", "entailment"),
        (*TURNED, "contradiction"),
    ]
    for part, column in zip(("s1", "s2", "labels"), zip(*rows, strict=True), strict=True):
        for split in ("dev", "test"):
            (raw / f"{part}.{split}").write_text("".join(f"{text}\n" for text in column))


def write_year(raw, year):
    if year != 2012:
        for subset in sts_years.SUBSETS[year]:
            rows = [own(f"{year} {subset}"), SHARED]
            lines = [f"{i + 1}.0\t{a}\t{b}\n" for i, (a, b) in enumerate(rows)]
            (raw / f"{year}.{subset}.test.tsv").write_text("".join(lines))
        return
    with tarfile.open(raw / sts_years.ARCHIVE_2012, "w:gz") as archive:
        for subset in sts_years.SUBSETS[year]:
            pairs = "".join(f"{a}\t{b}\n" for a, b in (own(subset), TURNED))
            for kind, text in (("input", pairs), ("gs", "1.0\n2.0\n")):
                info = tarfile.TarInfo(f"STS.{kind}.{subset}.txt")
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch):
    """Every declared set, prepared from small files in the format of its publisher."""
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    raw = tmp_path / "raw"
    raw.mkdir()
    for write in (write_stsb, write_sick, write_snli):
        write(raw)
    stsb.prepare(raw, tmp_path / "prepared" / "stsb", sha256={})
    sick.prepare(raw, tmp_path / "prepared" / "sick", sha256={})
    snli.prepare(raw, tmp_path / "prepared" / "snli")
    for year in sts_years.SUBSETS:
        write_year(raw, year)
        folder = tmp_path / "prepared" / f"sts{year % 100}"
        sts_years.prepare(raw, folder, year=year, sha256={})
    for name, columns in (("docs", ("query", "document")), ("reviews", ("title", "text"))):
        (tmp_path / "prepared" / name).mkdir()
        for split in ("train", "test"):
            rows = dict(zip(columns, zip(own(f"{name} {split}"), SHARED, strict=True), strict=True))
            frame = pl.DataFrame(rows, strict=False)
            frame.write_parquet(tmp_path / "prepared" / name / f"{split}.parquet")
    for name in ("scifact", "cranfield"):
        folder = tmp_path / "prepared" / name
        folder.mkdir()
        for kind, text in (("corpus", SHARED[0]), ("queries", SHARED[1])):
            pl.DataFrame({"id": ["0"], "text": [text]}).write_parquet(folder / f"{kind}.parquet")
        right = {"query": ["0"], "document": ["0"], "relevance": [1]}
        pl.DataFrame(right).write_parquet(folder / "qrels.parquet")


def test_the_files_above_are_those_of_every_set():
    there = {path.name for path in paths.PREPARED.iterdir()}
    assert {one.folder for one in text_sets()} == there, "a new set belongs into these tests"


def test_every_set_holds_the_shared_pair():
    key = sets.pair_key(*SHARED)
    assert sets.pair_key(*TURNED) == key
    for task in TASKS:
        assert key in tasks.judged_pairs([task]), task
    for name in DATA:
        rows, _ = training_texts(name, 10, [])
        pairs = {sets.pair_key(anchor, other) for anchor, *others in rows for other in others}
        assert key in pairs, name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", DATA)
def test_no_judged_pair_is_trained_on(name, task):
    try:
        check_data([name], [task])
    except StudyError:
        assert (name, task) == ("sick", "SICK-R")
        return
    rows, scores = training_texts(name, 10, [task])
    left = {sets.pair_key(anchor, other) for anchor, *others in rows for other in others}
    assert left, "what is not judged stays"
    assert not left & {sets.pair_key(*pair) for pair in tasks.load(task).text_pairs()}
    assert scores is None or len(scores) == len(rows)


def test_a_score_stays_with_its_pair():
    rows, scores = training_texts("stsb", 10, ["STS15"])
    assert rows == [own("stsb train")]
    assert scores == [0.5]


def test_a_triplet_goes_with_either_of_its_pairs():
    rows, _ = training_texts("snli", 10, ["STS15"])
    assert rows == [("Two men talk", "Men talk", "Nobody talks")]


def test_mistakes_are_one_sentence():
    with pytest.raises(
        StudyError, match="SICK-R judges the training split of 'sick' too: judge by SICK-R-test"
    ):
        check_data(["docs", "sick"], ["SICK-R", "docs"])
    check_data(["sick"], ["SICK-R-test"])
    with pytest.raises(StudyError, match="No pair of 'sick' is left to train on"):
        training_sets(["sick"], 10, ["SICK-R"], None, lambda base: base)
