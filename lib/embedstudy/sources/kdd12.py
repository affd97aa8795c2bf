"""KDD Cup 2012 track 2 (Tencent search advertising): ``training.txt``, 149,639,105 instances.

Format: no header, 12 tab-separated integers: click, impression, DisplayURL, AdID, AdvertiserID,
Depth, Position, QueryID, KeywordID, TitleID, DescriptionID, UserID. One line sums up ``impression``
showings of the same advertisement in the same setting, of which ``click`` were clicked.

Protocol as in the compression literature, whose published code agrees: a line is one event, positive
if it was clicked at least once, neither expanded by its impressions nor weighted, and the number of
impressions is one of the 11 fields (OptEmbed, Lyu et al., CIKM 2022, ``datatransform/kdd2tf.py``;
CAFE, Zhang et al., SIGMOD 2024, ``ArtifactEvaluation/datasets/process_data.py``). Random 8:1:1 and
values seen fewer than 10 times share a row (OptEmbed). A server does not know how often it will show
an advertisement: ``impression=False`` leaves that field out, for a task closer to use.
"""

from pathlib import Path

import polars as pl

from embedstudy.sources.core.ctr import random_splits, write_ctr
from embedstudy.sources.core.raw_files import check_columns, locate, parsing, scan_tsv

SOURCE = "training.txt of KDD Cup 2012, track 2, on Kaggle (kddcup2012-track2)"
FILES = ["training.txt|track2/training.txt"]
FIELDS = [
    "impression",
    "display_url",
    "ad",
    "advertiser",
    "depth",
    "position",
    "query",
    "keyword",
    "title",
    "description",
    "user",
]


def prepare(
    directory: Path,
    folder: Path,
    *,
    min_count: int = 10,
    seed: int = 0,
    events: int | None = None,
    impression: bool = True,
) -> dict:
    """Prepare ``directory/training.txt`` into ``folder``; return the specification.

    Raises ``StudyError`` when the file is missing, empty or not in the format above.
    """
    path = locate(Path(directory), FILES[0], SOURCE)
    check_columns(path, 12, "\t", SOURCE)
    schema = dict.fromkeys(["click", *FIELDS], pl.Int64) | {"display_url": pl.UInt64}
    frame = scan_tsv(path, schema).with_columns(label=(pl.col("click") > 0).cast(pl.UInt8))
    with parsing(path, SOURCE):
        return write_ctr(
            random_splits(frame, "line", seed),
            FIELDS if impression else FIELDS[1:],
            Path(folder),
            name="kdd12",
            min_count=min_count,
            events=events,
            protocol=(
                f"Random 8:1:1 by line (seed {seed}), a line is positive if clicked at least once, "
                f"impressions {'a field' if impression else 'left out'}, training counts below "
                f"{min_count} share a row; after OptEmbed (CIKM 2022) and CAFE (SIGMOD 2024)."
            ),
        )
