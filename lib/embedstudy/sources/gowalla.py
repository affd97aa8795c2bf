"""Gowalla check-ins in the split of NGCF and LightGCN, for retrieval by collaborative filtering.

Format: one line a user: ``user item item …``. The split comes from NGCF (Wang et al., SIGIR 2019,
arXiv:1905.08108) and was kept by LightGCN (He et al., SIGIR 2020, arXiv:2002.02126); ``train.txt``
and ``valid.txt`` together are the original training interactions, the validation part being the one
of LightGCN++ (Lee et al., RecSys 2024). 29,858 users, 40,981 items, 1,027,370 interactions.

The prepared folder holds ``<split>.parquet`` with ``user`` and ``item`` (UInt32, as published, in the
order of the file) and ``spec.json`` with the counts.
"""

from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.output import write_spec
from embedstudy.sources.core.raw_files import check_md5, locate, parsing, streamed

SOURCE = "the file of that name in geon0325/LightGCNpp (data/gowalla)"
FILES = ["train.txt", "valid.txt", "test.txt"]
TEST_MD5 = "c04e2c4bcd2389f53ed8281816166149"


def prepare(directory: Path, folder: Path, *, test_md5: str | None = TEST_MD5) -> dict:
    """Prepare the three files of ``directory`` into ``folder``; return the specification.

    Raises ``StudyError`` when a file is missing, empty or damaged, or when an interaction occurs in
    two splits.
    """
    paths = {name.removesuffix(".txt"): locate(Path(directory), name, SOURCE) for name in FILES}
    check_md5(paths["test"], test_md5, SOURCE)
    splits = {split: interactions(path) for split, path in paths.items()}
    everything = pl.concat(splits.values())
    if everything.n_unique() != everything.height:
        raise StudyError(
            f"{directory} holds {everything.height - everything.n_unique()} interactions more than "
            f"once over train, valid and test: replace each by {SOURCE}."
        )
    spec = {
        "name": "gowalla",
        "kind": "interactions",
        "users": everything["user"].n_unique(),
        "items": everything["item"].n_unique(),
        "events": {split: frame.height for split, frame in splits.items()},
        "protocol": (
            "Split as published by NGCF (arXiv:1905.08108) and LightGCN (arXiv:2002.02126), "
            "validation part of LightGCN++; rank all items the user has not met in training."
        ),
    }
    with replacing(Path(folder)) as partial:
        for split, frame in splits.items():
            frame.write_parquet(partial / f"{split}.parquet")
        write_spec(partial, spec)
    return spec


def interactions(path: Path) -> pl.DataFrame:
    """Read ``user item item …`` lines into ``user``, ``item`` (UInt32); users without items vanish."""
    words = pl.col("line").str.strip_chars().str.split(" ")
    with parsing(path, SOURCE):
        lines = pl.scan_lines(streamed(path), glob=False).select(
            user=words.list.first(), item=words.list.slice(1)
        )
        return (
            lines.explode("item", empty_as_null=False)
            .select(pl.col("user", "item").cast(pl.UInt32))
            .collect()
        )
