"""Frappe_x1: context-aware use of mobile apps, the small test bed of BARS.

Frappe (Baltrunas et al., arXiv:1505.03014) logs 96,203 uses of 4,082 apps by 957 users in eight
contexts. The click-through task (He and Chua, NFM, SIGIR 2017; split as in AFN, Cheng et al., AAAI
2020; BARS, Zhu et al., CIKM 2021) adds two negatives a use, apps the user never used in the same
contexts, and splits 7:2:1 at random: 202,027, 57,722 and 28,860 events. No value is too rare.

Two ways in, tried in this order:

- **published splits**: ``train.csv``, ``valid.csv``, ``test.csv`` (header, CRLF, ids), pinned by the
  md5 that BARS publishes;
- **rebuilt training split**: ``valid.libsvm`` and ``test.libsvm``, which hold exactly the events of the
  published CSV (their md5 is checked after conversion), and ``Mobile_Frappe.zip``, the raw release.
  Training positives are the 67,604 uses in neither split. The 134,423 training negatives are
  *re-sampled*: every use has two negatives in all, so each (user, contexts) gets twice its uses less
  the negatives that valid and test already hold, each app uniform over those the user never used.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.ctr import row_hash, write_ctr
from embedstudy.sources.core.raw_files import (
    ZIP_ERRORS,
    check_columns,
    check_header,
    check_md5,
    locate,
    missing,
    parsing,
    streamed,
)

SOURCE = "the file of that name in Frappe_x1 of BARS (reczoo/BARS, Frappe_x1.zip on Zenodo)"
SOURCE_RAW = (
    "the file of that name: the raw release is in irecsys/CARSKit (context-aware_data_sets), the "
    "libsvm splits are those of hexiangnan/neural_factorization_machine"
)
FILES = ["train.csv", "valid.csv", "test.csv"]
RAW_FILES = ["Mobile_Frappe.zip", "valid.libsvm", "test.libsvm"]
LOG = "Mobile_Frappe/frappe/frappe.csv"
MD5 = {
    "train": "ba7306e6c4fc19dd2cd84f2f0596d158",
    "valid": "88d51bf2173505436d3a8f78f2a59da8",
    "test": "3470f6d32713dc5f7715f198ca7c612a",
}
CONTEXTS = ["daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city"]
FIELDS = ["user", "item", *CONTEXTS]
OFFSETS = [0, 957, 5039, 5046, 5053, 5055, 5058, 5060, 5069, 5149]  # first id of each field
NEGATIVES = 2  # a use, over all splits


def prepare(
    directory: Path,
    folder: Path,
    *,
    min_count: int = 1,
    seed: int = 0,
    events: int | None = None,
    md5: dict[str, str | None] = MD5,
) -> dict:
    """Prepare Frappe_x1 from ``directory`` into ``folder``; return the specification.

    ``seed`` draws the training negatives if the training split has to be rebuilt. Raises
    ``StudyError`` when files are missing, damaged or not the published ones.
    """
    directory = Path(directory)
    if missing(directory, FILES) and not missing(directory, RAW_FILES):
        splits = rebuild(directory, seed, md5)
        how = (
            "validation and test as published, training negatives re-sampled from the raw log "
            f"(seed {seed}), so training differs from the published file"
        )
    else:
        splits = {split: _published(directory, split, md5[split]) for split in MD5}
        how = "splits as published"
    return write_ctr(
        splits,
        FIELDS,
        Path(folder),
        name="frappe",
        min_count=min_count,
        events=events,
        group="user",
        protocol=f"Frappe_x1 of BARS (arXiv:2009.05794; data arXiv:1505.03014): {how}.",
    )


def rebuild(directory: Path, seed: int, md5: dict[str, str | None] = MD5) -> dict:
    """The three splits (label and libsvm ids) from the raw log and the libsvm files.

    Training rows are in a random order fixed by ``seed``.
    """
    held_out = {split: _libsvm(directory, split, md5[split]) for split in ("valid", "test")}
    log = _uses(locate(directory, RAW_FILES[0], SOURCE_RAW))
    others = pl.concat(held_out.values())
    positives = _without(log, others.filter(pl.col("label") == 1).select(FIELDS))
    negatives = _negatives(log, others.filter(pl.col("label") == 0), seed)
    train = pl.concat(
        [
            positives.select(pl.lit(1, pl.Int64).alias("label"), *FIELDS),
            negatives.select(pl.lit(0, pl.Int64).alias("label"), *FIELDS),
        ]
    ).with_row_index("row")
    train = train.sort(row_hash(pl.col("row"), seed + 1)).drop("row")
    return {"train": train, **held_out}


def _published(directory: Path, split: str, md5: str | None) -> pl.DataFrame:
    path = locate(directory, f"{split}.csv", SOURCE)
    check_header(path, ["label", *FIELDS], ",", SOURCE)
    check_columns(path, 1 + len(FIELDS), ",", SOURCE)
    check_md5(path, md5, SOURCE)
    with parsing(path, SOURCE):
        return pl.read_csv(path, schema=dict.fromkeys(["label", *FIELDS], pl.Int64))


def _libsvm(directory: Path, split: str, md5: str | None) -> pl.DataFrame:
    """A split from ``label id:1 id:1 …``, checked against the md5 of the published CSV."""
    path = locate(directory, f"{split}.libsvm", SOURCE_RAW)
    check_columns(path, 1 + len(FIELDS), " ", SOURCE_RAW)
    names = ["label", *FIELDS]
    with parsing(path, SOURCE_RAW):
        parts = pl.col("line").str.replace_all(":1", "", literal=True)
        parts = parts.str.split_exact(" ", len(FIELDS)).struct.rename_fields(names)
        frame = (
            pl.scan_lines(streamed(path), glob=False)
            .select(parts)
            .unnest("line")
            .cast(pl.Int64)
            .collect()
        )
    text = frame.write_csv(line_terminator="\r\n")
    found = hashlib.md5(text.encode()).hexdigest()
    if md5 is not None and found != md5:
        raise StudyError(
            f"{path} does not hold the published {split} events (as CSV they have md5 {found}, "
            f"not {md5}): replace it by {SOURCE_RAW}."
        )
    return frame


def _uses(path: Path) -> pl.DataFrame:
    """The raw log in libsvm ids: a value's id is its field's offset plus its order of appearance."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(LOG)
    except (KeyError, *ZIP_ERRORS) as error:
        raise StudyError(
            f"{path} is not the raw release (no {LOG} can be read from it): "
            f"replace it by {SOURCE_RAW}."
        ) from error
    with parsing(path, SOURCE_RAW):
        log = pl.read_csv(
            io.BytesIO(content),
            separator="\t",
            infer_schema=False,
            empty_string_is_null=False,
            quote_char=None,
        ).select(FIELDS)
    return log.select(
        pl.Series(field, _by_appearance(log[field]) + start)
        for field, start in zip(FIELDS, OFFSETS, strict=True)
    )


def _by_appearance(column: pl.Series) -> pl.Series:
    values = column.unique(maintain_order=True)
    return column.replace_strict(values, pl.int_range(len(values), eager=True))


def _without(log: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """The uses not in ``taken``; of a use logged several times, only as many as were taken go."""
    turn = pl.int_range(pl.len()).over(FIELDS).alias("turn")
    left = log.with_columns(turn).join(
        taken.with_columns(turn), on=[*FIELDS, "turn"], how="anti", maintain_order="left"
    )
    return left.select(FIELDS)


def _negatives(log: pl.DataFrame, known: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The negatives that neither validation nor test holds, each with an app drawn anew."""
    setting = ["user", *CONTEXTS]
    uses = log.group_by(setting, maintain_order=True).agg(uses=pl.len())
    held = known.group_by(setting, maintain_order=True).agg(held=pl.len())
    left = uses.join(held, on=setting, how="left", maintain_order="left").select(
        *setting,
        draws=NEGATIVES * pl.col("uses").cast(pl.Int64)
        - pl.col("held").fill_null(0).cast(pl.Int64),
    )
    draws = left.select(pl.exclude("draws").repeat_by("draws")).explode(
        setting, empty_as_null=False
    )
    hashed = draws.with_row_index("row").select(row_hash(pl.col("row"), seed)).to_series()
    return draws.with_columns(item=_unused(log, draws["user"].to_numpy(), hashed.to_numpy()))


def _unused(log: pl.DataFrame, users: np.ndarray, hashed: np.ndarray) -> np.ndarray:
    """For each user an app the user never used, uniform by ``hashed`` (UInt64)."""
    used = log.select("user", "item").unique().sort("user", "item")
    first_app = OFFSETS[1]
    apps = log["item"].n_unique()
    owner, app = used["user"].to_numpy(), used["item"].to_numpy() - first_app
    start = np.searchsorted(owner, np.arange(owner.max() + 2))  # where each user's apps begin
    free = apps - np.diff(start)
    if (free[users] == 0).any():
        raise StudyError(
            f"A user of the raw log has used all of its {apps} apps, so that none is left as a negative: "
            f"replace it by {SOURCE_RAW}."
        )
    rank = (hashed % free[users].astype(np.uint64)).astype(np.int64)
    # The rank-th free app lies behind those used apps that have at most `rank` free ones before.
    before = app - (np.arange(len(app)) - start[owner])
    passed = np.searchsorted(owner * apps + before, users * apps + rank, side="right")
    return first_app + rank + passed - start[users]
