"""Vectors as rows of an array."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` [n, d] scaled to length 1; a zero row stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
