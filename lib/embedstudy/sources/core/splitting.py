"""Splits of things in memory into training, validation and test."""

import numpy as np

SPLITS = ("train", "valid", "test")


def parts(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Cut an array into 8:1:1, keeping its order."""
    first, second = len(rows) * 8 // 10, len(rows) * 9 // 10
    return dict(zip(SPLITS, np.split(rows, [first, second]), strict=True))


def random_parts(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Deal the numbers below ``count`` into 8:1:1 at random; every part is sorted."""
    return {split: np.sort(rows) for split, rows in parts(random.permutation(count)).items()}
