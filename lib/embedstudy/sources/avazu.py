"""Avazu Kaggle click-through rate prediction: ``train``, 40,428,967 events of ten days.

Format: comma-separated with the header in ``HEADER``; ``hour`` is YYMMDDHH.

Protocol of ``Avazu_x4_001`` in BARS (Zhu et al., CIKM 2021, arXiv:2009.05794), which splits as
AutoInt does (Song et al., CIKM 2019, arXiv:1810.11921): random 8:1:1; ``id`` is dropped; the
timestamp becomes hour of the day, weekday and weekend; values seen once share a row. Here the split
is by a hash of the line number and frequencies are counted in training alone.
"""

from pathlib import Path

import polars as pl

from embedstudy.sources.core.ctr import random_splits, write_ctr
from embedstudy.sources.core.raw_files import check_columns, check_header, locate, parsing, streamed

SOURCE = "train.gz (unpacked or not) of Avazu's Click-Through Rate Prediction on Kaggle"
FILES = ["train.csv|train|train.gz"]
TEXT = [
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
]
HEADER = ["id", "click", "hour", "C1", "banner_pos", *TEXT, "device_type", "device_conn_type"]
HEADER += [f"C{i}" for i in range(14, 22)]
FIELDS = ["hour", "weekday", "is_weekend", *HEADER[3:]]


def calendar(stamp: pl.Expr) -> dict[str, pl.Expr]:
    """Hour 0–23, weekday 1 (Monday) – 7 and weekend 0/1 of a YYMMDDHH number."""
    day = pl.date(2000 + stamp // 1_000_000, stamp // 10_000 % 100, stamp // 100 % 100)
    weekday = day.dt.weekday()
    return {
        "hour": stamp % 100,
        "weekday": weekday,
        "is_weekend": (weekday >= 6).cast(pl.UInt8),
    }


def prepare(
    directory: Path, folder: Path, *, min_count: int = 2, seed: int = 0, events: int | None = None
) -> dict:
    """Prepare ``train``, ``train.csv`` or ``train.gz`` into ``folder``; return the specification.

    Raises ``StudyError`` when the file is missing, empty or not in the format above.
    """
    path = locate(Path(directory), FILES[0], SOURCE)
    check_header(path, HEADER, ",", SOURCE)
    check_columns(path, len(HEADER), ",", SOURCE)
    schema = {name: pl.String if name in [*TEXT, "id"] else pl.Int64 for name in HEADER}
    frame = (
        pl.scan_csv(
            streamed(path), glob=False, quote_char=None, schema=schema, row_index_name="line"
        )
        .rename({"click": "label"})
        .with_columns(**calendar(pl.col("hour")))
    )
    with parsing(path, SOURCE):
        return write_ctr(
            random_splits(frame, "line", seed),
            FIELDS,
            Path(folder),
            name="avazu",
            min_count=min_count,
            events=events,
            protocol=(
                f"Random 8:1:1 by line (seed {seed}), id dropped, timestamp as hour, weekday and "
                f"weekend, training counts below {min_count} share a row; after BARS Avazu_x4 "
                "(arXiv:2009.05794) and AutoInt (arXiv:1810.11921)."
            ),
        )
