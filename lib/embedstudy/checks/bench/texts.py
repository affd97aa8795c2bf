"""What encoders run on: prepared texts of the study, else seeded random words."""

import numpy as np

from embedstudy.core import paths
from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import sets

_WORDS, _TEXT_WORDS = 4_000, 60  # of a text on average


def documents(count: int) -> tuple[str, list[str]]:
    """(their name, ``count`` texts): functions of docs if it is prepared, else random words."""
    if (paths.PREPARED / "docs" / "train.parquet").is_file():
        texts = sets.split("docs", "train")["document"].unique(maintain_order=True)
        rows = numpy_generator(0, "bench", "docs").permutation(len(texts))[:count]
        if len(rows) == count:
            return "docs", texts[rows].to_list()
    return "random words", _random_texts(count)


def _random_texts(count: int) -> list[str]:
    rng = numpy_generator(0, "bench", "texts")
    letters = rng.integers(97, 123, (_WORDS, 9), dtype=np.uint8)
    words = [
        bytes(row[:size]).decode()
        for row, size in zip(letters, rng.integers(2, 10, _WORDS), strict=True)
    ]
    lengths = np.maximum(1, rng.lognormal(np.log(_TEXT_WORDS), 0.8, count)).astype(int)
    return [" ".join(rng.choice(words, size)) for size in lengths]
