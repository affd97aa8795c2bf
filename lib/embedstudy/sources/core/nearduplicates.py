"""Near-identical code found by MinHash signatures cut into bands (locality-sensitive hashing).

The signature of a unit is the minimum of ``ROWS * BANDS`` random hashes over its shingles (runs of
``SHINGLE`` tokens); one entry of two signatures agrees with probability J, their Jaccard
similarity (Broder 1997). Two units are near-identical when all ``ROWS`` entries of any band agree,
so with probability 1 - (1 - J^ROWS)^BANDS: 1 for equal token lists, 0.95 at J = 0.9, 0.06 at 0.5.
"""

import numpy as np
import polars as pl

ROWS, BANDS, SHINGLE = 6, 4, 4
COLUMNS = [f"band{number}" for number in range(BANDS)]
_MULTIPLIERS = np.random.default_rng(20).integers(0, 2**64, (ROWS * BANDS, 2), np.uint64) | 1


def bands(tokens: list[list[int]]) -> dict[str, np.ndarray]:
    """The band keys of token lists: ``BANDS`` arrays of uint64, one entry a list.

    Args:
        tokens: 32-bit codes, a list a unit.
    """
    if not tokens:
        return {column: np.zeros(0, np.uint64) for column in COLUMNS}
    shingles, starts = _shingles(tokens)
    keys = {}
    for number, column in enumerate(COLUMNS):
        key = np.zeros(len(tokens), np.uint64)
        for first, second in _MULTIPLIERS[number * ROWS : (number + 1) * ROWS]:
            key = _mix((key ^ np.minimum.reduceat(shingles * first, starts)) * second)
        keys[column] = key
    return keys


def _shingles(tokens: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """One hash per run of ``SHINGLE`` tokens, and where each list's hashes start.

    A list begins with a mark and ends with padding, so that even an empty one has a shingle; runs
    are hashed by Horner's rule modulo 2**64.
    """
    padding = [0] * (SHINGLE - 1)
    flat = np.array([code for one in tokens for code in (1, *one, *padding)], np.uint64)
    hashed = np.zeros(len(flat) - SHINGLE + 1, np.uint64)
    for offset in range(SHINGLE):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + flat[offset : offset + len(hashed)]
    lengths = np.array([len(one) + 1 for one in tokens])
    starts = np.cumsum(lengths) - lengths
    begins_in_list = np.arange(lengths.sum()) + np.repeat(
        np.arange(len(tokens)) * (SHINGLE - 1), lengths
    )
    return _mix(_mix(hashed[begins_in_list]) * np.uint64(0xBF58476D1CE4E5B9)), starts


def _mix(values: np.ndarray) -> np.ndarray:
    return values ^ (values >> np.uint64(29))


def distinct(units: pl.DataFrame) -> pl.DataFrame:
    """Keep a unit unless an earlier kept one is near-identical to it by some band.

    Args:
        units: rows with the columns ``COLUMNS``, in the order of preference.

    Returns:
        A subset of the rows, in their order, in which no value of a band occurs twice.
    """
    for column in COLUMNS:
        units = units.unique(column, keep="first", maintain_order=True)
    return units
