"""Hostile sets of texts: BEIR folders and zip files, and the published files of the others."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from embedstudy.checks.fuzz.clicks import one_changed, whole
from embedstudy.checks.fuzz.judge import Case, Fault, Run, Target, command
from embedstudy.checks.fuzz.mutations import Draw, as_json, damaged, edited_tree, table_files
from embedstudy.checks.fuzz.settings_files import project
from embedstudy.sources import official
from embedstudy.sources.text import cranfield, scifact, sick, snli, sts_years

DOCUMENTS = [
    {"_id": "10", "title": "Wings", "text": "Lift of wings.", "metadata": {}},
    {"_id": "11", "title": "", "text": "Heat."},
    {"_id": "12", "text": "Flow."},
]
QUERIES = [{"_id": "q1", "text": "What lifts?"}, {"_id": "q2", "text": "Is it hot?"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\t10\t2\nq1\t12\t0\nq2\t11\t1\n"
ABSTRACTS = "doc_id,title,abstract\n10,Wings,\"['Lift.' 'More.']\"\n11,Heat,['Hot.']\n12,,['F.']\n"
RECORD = ".I 1\n.T\nwings .\n.A\nsmith\n.B\nlondon .\n.W\nwings lift .\n.I 2\n.T\n.W\nheat .\n"
PAIRS = [("One cat.", "Two cats.", 2.5), ("A dog", "No dog", 0.0), ("x", "x", 5.0)]


# -- BEIR -----------------------------------------------------------------------------------------
def _jsonl(objects: list) -> bytes:
    return b"".join(as_json(one) + b"\n" for one in objects)


@st.composite
def beir_files(draw: Draw) -> Case:
    """One file of the set changed: an object of a line, a cell, or bytes."""
    trees = {"corpus.jsonl": DOCUMENTS, "queries.jsonl": QUERIES}
    files = _beir()
    name = draw(st.sampled_from(sorted(files)))
    if name not in trees:
        files[name] = draw(table_files(QRELS, "\t"))
    elif draw(st.booleans()):
        files[name] = draw(damaged(files[name]))
    else:
        lines = draw(edited_tree(trees[name]))
        files[name] = _jsonl(lines if isinstance(lines, list) else [lines])
    return files


@st.composite
def beir_zips(draw: Draw) -> Case:
    """The set as a zip file, damaged, with odd names, repeated members or one that swells."""
    files = draw(st.one_of(st.just(_beir()), beir_files()))
    prefix = draw(st.sampled_from(["", "set/", "../", "/", "a/b/../", "C:\\"]))
    packing = draw(st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA]))
    more = draw(st.sampled_from([None, b" " * 3_000_000, b"\n" * 3_000_000, b'{"_id":' * 100_000]))
    case = _zipped(files, prefix, packing, more)
    broken = damaged(case["set.zip"]).map(lambda content: Case({"set.zip": content}))
    return draw(st.one_of(st.just(case), broken))


def _zipped(
    files: Case, prefix: str = "", packing: int = zipfile.ZIP_DEFLATED, more: bytes | None = None
) -> Case:
    """The set as a zip file; ``more`` is a second member corpus.jsonl."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(prefix + name), content, packing)
        if more is not None:
            archive.writestr(zipfile.ZipInfo("corpus.jsonl"), more, packing)
    return Case({"set.zip": buffer.getvalue()})


def _beir() -> Case:
    files = {"corpus.jsonl": _jsonl(DOCUMENTS), "queries.jsonl": _jsonl(QUERIES)}
    return Case(files | {"qrels/test.tsv": QRELS.encode()})


def run_beir(case: Case, given: Path, out: Path) -> set[str]:
    where = given / "set.zip" if "set.zip" in case else given
    with project(PREPARED=out):
        command(official.main, ["beir", "--name=set", f"--from={where}"])
    _check_retrieval(out / "set")
    return {"set"}


def _check_retrieval(folder: Path) -> None:
    """Ids are there once, and every judgement is of a query and a document that are there."""
    corpus, queries, qrels = (
        pl.read_parquet(folder / f"{kind}.parquet") for kind in ("corpus", "queries", "qrels")
    )
    counts = json.loads((folder / "spec.json").read_text())["counts"]
    sizes = {"corpus": corpus.height, "queries": queries.height, "qrels": qrels.height}
    alone = all(frame["id"].is_unique().all() for frame in (corpus, queries))
    known = set(qrels["document"]) <= set(corpus["id"]) and set(qrels["query"]) == set(
        queries["id"]
    )
    once = not qrels.select("query", "document").is_duplicated().any()
    if counts != sizes or not (alone and known and once) or not (qrels["relevance"] > 0).all():
        raise Fault(f"The set is {sizes}, specified {counts}; ids {alone}, {known}, {once}.")


# -- the others -----------------------------------------------------------------------------------
def _stsb() -> dict[str, str]:
    text = "".join(f'"{a}",{b},{score}\n' for a, b, score in PAIRS)
    return {f"stsb-en-{split}.csv": text for split in ("train", "dev", "test")}


def _sick() -> dict[str, str]:
    lines = [
        "\t".join(sick.HEADER),
        *(f"{i}\t{a}\t{b}\t{s}\tNEUTRAL" for i, (a, b, s) in enumerate(PAIRS)),
    ]
    return dict.fromkeys(sick.FILES, "\n".join(lines) + "\n")


def _sts16() -> dict[str, str]:
    text = "".join(f"{score}\t{a}\t{b}\n" for a, b, score in PAIRS)
    return {f"2016.{subset}.test.tsv": text for subset in sts_years.SUBSETS[2016]}


def _sts12_members() -> dict[str, str]:
    pair = "".join(f"{a}\t{b}\n" for a, b, _ in PAIRS), "".join(f"{s}\n" for *_, s in PAIRS)
    names = {f"STS.{k}.{s}.txt": k for s in sts_years.SUBSETS[2012] for k in ("input", "gs")}
    return {name: pair[kind == "gs"] for name, kind in names.items()}


def _tar(case: Case) -> Case:
    """The archive of 2012 with these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in case.items():
            member = tarfile.TarInfo(f"test-gold/{name}")
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    return Case({sts_years.ARCHIVE_2012: buffer.getvalue()})


def _sts12() -> st.SearchStrategy[Case]:
    """A member changed, or the archive itself."""
    archive = _tar(whole(_sts12_members()))[sts_years.ARCHIVE_2012]
    broken = damaged(archive).map(lambda content: Case({sts_years.ARCHIVE_2012: content}))
    return st.one_of(one_changed(_sts12_members(), "\t").map(_tar), broken)


def _cranfield() -> dict[str, str]:
    qrels = "1 1 1\n1 2 -1\n2 2 3\n"
    return dict(zip(cranfield.FILES, (RECORD, RECORD, qrels), strict=True))


def _snli() -> dict[str, str]:
    parts = {"s1": "A man sits .\nHe sits .\n", "s2": "He sits .\nHe runs .\n"}
    parts["labels"] = "entailment\ncontradiction\n"
    return {name: parts[name.partition(".")[0]] for name in snli.FILES}


@st.composite
def scifact_cases(draw: Draw) -> Case:
    """The authors' abstracts in a zip file beside the queries and judgements of BEIR."""
    return _scifact(draw(table_files(ABSTRACTS, draw(st.sampled_from([",", "'", '"'])))))


def _scifact(abstracts: bytes) -> Case:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("corpus_train.csv", abstracts)
    beside = {"beir_queries.jsonl": _jsonl(QUERIES), "beir_qrels_test.tsv": QRELS.encode()}
    return Case({scifact.FILES[0]: buffer.getvalue(), **beside})


def _pairs(name: str) -> Run:
    """The loader of pairs, its published checksum left out."""

    def run(case: Case, given: Path, out: Path) -> set[str]:
        options = {} if name == "snli" else {"sha256": {}}
        spec = official.prepare(name, given, out / name, **options)
        for split, count in spec["pairs"].items():
            frame = pl.read_parquet(out / name / f"{split}.parquet")
            if frame.height != count or sum(frame.null_count().row(0)):
                raise Fault(f"{split} is {frame.shape} with nulls, not {count} pairs.")
            if "score" in frame.columns and not frame["score"].is_finite().all():
                raise Fault(f"{split} holds scores that are no numbers.")
        return {name}

    return run


def _retrieval(name: str) -> Run:
    def run(case: Case, given: Path, out: Path) -> set[str]:
        official.prepare(name, given, out / name, sha256={})
        _check_retrieval(out / name)
        return {name}

    return run


def _target(
    name: str, files: Callable[[], dict[str, str]], separator: str, run: Run, share: int = 15
) -> Target:
    return Target(name, lambda: whole(files()), lambda: one_changed(files(), separator), run, share)


TARGETS = (
    Target("BEIR folder", _beir, beir_files, run_beir, 90),
    Target("BEIR zip file", lambda: _zipped(_beir()), beir_zips, run_beir, 60),
    _target("STS-B", _stsb, ",", _pairs("stsb")),
    _target("SICK", _sick, "\t", _pairs("sick")),
    Target("STS12", lambda: _tar(whole(_sts12_members())), _sts12, _pairs("sts12"), 15),
    _target("STS16", _sts16, "\t", _pairs("sts16")),
    _target("SNLI", _snli, " ", _pairs("snli")),
    _target("Cranfield", _cranfield, " ", _retrieval("cranfield")),
    Target(
        "SciFact",
        lambda: _scifact(ABSTRACTS.encode()),
        scifact_cases,
        _retrieval("scifact"),
        20,
    ),
)
