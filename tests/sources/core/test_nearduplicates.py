import numpy as np
import polars as pl

from embedstudy.sources.core.nearduplicates import BANDS, COLUMNS, ROWS, SHINGLE, bands, distinct


def similar(jaccard, pairs, length=300, seed=0):
    """Pairs of token lists whose shingle sets have about the given Jaccard similarity."""
    random = np.random.default_rng(seed)
    first = random.integers(0, 2**32, (pairs, length))
    second = first.copy()
    kept = round(length * 2 * jaccard / (1 + jaccard))  # shared shingles lie in one shared prefix
    second[:, kept:] = random.integers(0, 2**32, (pairs, length - kept))
    return [*first.tolist(), *second.tolist()]


def matches(tokens):
    half = len(tokens) // 2
    keys = bands(tokens)
    return np.any([keys[column][:half] == keys[column][half:] for column in COLUMNS], axis=0)


def test_detection_follows_the_law_of_banded_minhash():
    for jaccard in (0.95, 0.8, 0.5):
        expected = 1 - (1 - jaccard**ROWS) ** BANDS
        assert abs(matches(similar(jaccard, 400)).mean() - expected) < 0.08
    assert not matches(similar(0.0, 400)).any()


def test_equal_lists_always_match_whatever_lies_beside_them():
    one = [5, 6, 7]
    keys = bands([[], one, [1, 2], one, [], [9] * 50])
    for column in COLUMNS:
        assert keys[column][1] == keys[column][3]
        assert keys[column][0] == keys[column][4]
        assert len(set(keys[column].tolist())) == 4


def test_a_token_at_either_end_is_seen():
    keys = bands([[11, 12, 13], [12, 13], [11, 12], [11, 12, 13, 14]])
    assert all(len(set(keys[column].tolist())) == 4 for column in COLUMNS)


def test_nothing_gives_nothing():
    assert all(len(keys) == 0 for keys in bands([]).values())


def test_keys_depend_on_tokens_alone_and_use_64_bits():
    random = np.random.default_rng(1)
    lists = [random.integers(0, 2**32, n).tolist() for n in random.integers(1, 40, 500)]
    together, apart = bands(lists), [bands([one]) for one in lists]
    for column in COLUMNS:
        assert together[column].tolist() == [one[column][0] for one in apart]
        assert len(np.unique(together[column])) == 500
        assert together[column].max() > 2**63


def test_distinct_keeps_the_first_and_leaves_no_shared_band():
    lists = similar(0.9, 200, length=60 + SHINGLE)
    units = pl.DataFrame({"unit": range(400)} | bands(lists))
    kept = distinct(units)
    assert kept["unit"].is_sorted()
    assert kept["unit"].head(200).to_list() == list(range(200))
    assert 200 <= len(kept) < 260
    assert all(kept[column].is_unique().all() for column in COLUMNS)
