"""Find the function a sentence describes: docstring summary <-> code, for retrieval.

The query is a docstring's first paragraph, the document the rest of the docstring with signature
and body (the setting of CodeSearchNet, Husain et al. 2019). Near-identical functions and repeated
queries or documents are removed first; whole packages go to one split, so test packages are unseen.
Each test query has one answer.
"""

from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT, SEED, Number
from embedstudy.core.seeding import numpy_generator
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.nearduplicates import distinct
from embedstudy.sources.core.output import write_spec
from embedstudy.sources.core.splitting import SPLITS
from embedstudy.sources.core.text_sets import Retrieval, TextSet, Training, one_to_one, read_split

COLUMNS = ["package", "module", "qualname", "query", "document"]
RULES = {"seed": SEED, "min_words": Number(0, whole=True), "max_chars": COUNT}
SHARE = 0.1  # of the pairs, for validation and for test


def prepare(
    corpus: Path, out: Path, *, seed: int, min_words: int = 4, max_chars: int = 2000
) -> None:
    """Write ``train``, ``valid`` and ``test.parquet`` and ``spec.json`` to ``out``.

    Args:
        corpus: folder that ``apicorpus`` wrote.
        out: folder of the prepared set.
        seed: of the split by package.
        min_words: shorter summaries ("Return self.") are left out.
        max_chars: a document is cut there, its docstring half-way.
    """
    pairs = read_pairs(corpus, min_words, max_chars)
    where = split_packages(pairs, seed)
    spec = {"name": "docs", "kind": "texts", "min_words": min_words, "max_chars": max_chars}
    spec["protocol"] = (
        "Docstring summary to the rest of the docstring, signature and body; near-identical "
        f"functions removed, then a random split of packages near 8:1:1 pairs, seed {seed}."
    )
    spec["packages"] = where
    spec["pairs"] = {}
    with replacing(out) as folder:
        for split, packages in where.items():
            frame = pairs.filter(pl.col("package").is_in(packages))
            frame.write_parquet(folder / f"{split}.parquet", statistics=False)
            spec["pairs"][split] = len(frame)
        write_spec(folder, spec)


def read_pairs(corpus: Path, min_words: int, max_chars: int) -> pl.DataFrame:
    """The distinct pairs of the corpus in the order of the source: ``COLUMNS``, all strings."""
    units = pl.read_parquet(corpus / "units.parquet")
    units = distinct(units.filter(pl.col("documented") & (pl.col("code") != "")))
    name = pl.when(pl.col("class") == "").then("function").otherwise(_dotted("class", "function"))
    details = pl.col("details").str.head(max_chars // 2)
    document = pl.when(details == "").then("code").otherwise(details + "\n" + pl.col("code"))
    pairs = units.select(
        "package",
        "module",
        qualname=name,
        query="summary",
        document=document.str.head(max_chars),
    )
    pairs = pairs.filter(pl.col("query").str.count_matches(r"[A-Za-z]{2,}") >= min_words)
    # A query that describes two functions has no single right answer.
    alike = pl.col("query").str.to_lowercase().str.replace_all(r"\W+", " ").str.strip_chars()
    pairs = pairs.with_columns(alike=alike).unique("alike", keep="first", maintain_order=True)
    return pairs.unique("document", keep="first", maintain_order=True).select(COLUMNS)


def _dotted(*columns: str) -> pl.Expr:
    return pl.concat_str(columns, separator=".")


def split_packages(pairs: pl.DataFrame, seed: int) -> dict[str, list[str]]:
    """Deal whole packages, in random order, to test and validation while they fit into ``SHARE``.

    A split that nothing fits gets the smallest package left.
    """
    sizes = dict(pairs.group_by("package").len().sort("package").iter_rows())
    if len(sizes) < len(SPLITS):
        raise StudyError(f"prepare.docs: {len(sizes)} packages cannot make {len(SPLITS)} splits.")
    left = [str(one) for one in numpy_generator(seed, "docs").permutation(sorted(sizes))]
    where = {}
    for split in ("test", "valid"):
        chosen, room = [], SHARE * len(pairs)
        for package in left:
            if sizes[package] <= room:
                chosen.append(package)
                room -= sizes[package]
        chosen = chosen or [min(left, key=lambda package: (sizes[package], package))]
        left = [package for package in left if package not in chosen]
        where[split] = sorted(chosen)
    return {"train": sorted(left), **where}


def retrieval(folder: Path, part: str = "test") -> Retrieval:
    """Find a function's code by its docstring's summary, in packages unseen in training."""
    pairs = read_split(folder, part)
    return one_to_one(pairs["query"], pairs["document"])


SETS = (
    TextSet(
        folder="docs",
        retrieval=retrieval,
        one_to_one=True,
        training=Training("document", "query"),
        training_from=("docs",),
    ),
)

if __name__ == "__main__":
    from embedstudy.sources.core import command

    command.main("docs", prepare, RULES, corpus=True)
