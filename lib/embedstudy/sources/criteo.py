"""Criteo Kaggle display advertising: ``train.txt``, 45,840,617 events, 13 counts, 26 categories.

Format: no header, 40 tab-separated columns: label, I1–I13 (integers), C1–C26 (32-bit hashes as
hexadecimal text); a missing value is an empty column.

Protocol of ``Criteo_x4_001`` in BARS (Zhu et al., "Open benchmarking for click-through rate
prediction", CIKM 2021, arXiv:2009.05794), which splits as AutoInt does (Song et al., CIKM 2019,
arXiv:1810.11921): random 8:1:1, values seen fewer than 10 times share a row. Counts become
categories as in the winner's solution ("3 Idiots", Juan et al., 2014): x if x ≤ 2, else a bucket
⌊ln(x)²⌋. Two things differ here: the split is by a hash of the line number, so its sizes are 8:1:1
within chance, and frequencies are counted in training alone.
"""

from pathlib import Path

import polars as pl

from embedstudy.sources.core.ctr import random_splits, write_ctr
from embedstudy.sources.core.raw_files import check_columns, locate, parsing, scan_tsv

SOURCE = (
    "train.txt of the Criteo Display Advertising Challenge on Kaggle "
    "(also dac.tar.gz of Criteo AI Lab)"
)
FILES = ["train.txt|train.csv"]
COUNTS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]


def bucket(count: pl.Expr) -> pl.Expr:
    """The category of a count: x if x ≤ 2, else 2 + ⌊ln(x)²⌋; missing stays missing.

    The 2 keeps buckets apart from the small values, as the winner's ``SP`` prefix does:
    ⌊ln(3)²⌋ is 1.
    """
    large = 2 + (count.cast(pl.Float64).log() ** 2).floor().cast(pl.Int64, strict=False)
    return pl.when(count > 2).then(large).otherwise(count)


def prepare(
    directory: Path, folder: Path, *, min_count: int = 10, seed: int = 0, events: int | None = None
) -> dict:
    """Prepare ``directory/train.txt`` into ``folder``; return the specification.

    Raises ``StudyError`` when the file is missing, empty or not in the format above.
    """
    path = locate(Path(directory), FILES[0], SOURCE)
    check_columns(path, 40, "\t", SOURCE)
    schema = {"label": pl.Int64}
    schema |= dict.fromkeys(COUNTS, pl.Int64) | dict.fromkeys(CATEGORIES, pl.String)
    frame = scan_tsv(path, schema).with_columns(bucket(pl.col(name)).alias(name) for name in COUNTS)
    with parsing(path, SOURCE):
        return write_ctr(
            random_splits(frame, "line", seed),
            COUNTS + CATEGORIES,
            Path(folder),
            name="criteo",
            min_count=min_count,
            events=events,
            protocol=(
                f"Random 8:1:1 by line (seed {seed}), counts above 2 bucketed by floor(ln(x)^2), "
                f"training counts below {min_count} share a row; after BARS Criteo_x4 "
                "(arXiv:2009.05794) and AutoInt (arXiv:1810.11921)."
            ),
        )
