"""Whole-number roots, and the digits in which the ids of a field are written."""

import math


def digits(n: int, ratio: float, parts: int) -> tuple[int, int]:
    """(modulus of the remainder, base of the other ``parts - 1`` digits) that tell n ids apart.

    Args:
        n: ids of a field.
        ratio: wanted modulus as a share of n; the ``parts``-th root of n where that is more.
        parts: digits an id is written in, at least 2.
    """
    modulus = min(n, max(root(n, parts), math.ceil(n * ratio)))
    return modulus, root(-(-n // modulus), parts - 1)


def root(n: int, degree: int) -> int:
    """The smallest whole number whose power of ``degree`` is at least n."""
    guess = max(1, round(n ** (1 / degree)) - 1)
    while guess**degree < n:
        guess += 1
    return guess
