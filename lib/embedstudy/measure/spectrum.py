"""How many directions a set of vectors really uses: label-free statistics of its spectrum."""

import numpy as np


def singular_values(vectors: np.ndarray, *, centre: bool = False) -> np.ndarray:
    """Singular values of a matrix [n, d], descending, float64 [d]; through the d x d Gram matrix."""
    vectors = np.asarray(vectors, dtype=np.float64)
    if centre:
        vectors = vectors - vectors.mean(axis=0)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(vectors.T @ vectors)[::-1], 0))


def rankme(vectors: np.ndarray) -> float:
    """The effective rank exp(-sum_k p_k log p_k), p_k = s_k / sum(s) + 1e-7, of [n, d] vectors.

    Garrido et al., "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised
    Representations by Their Rank" (ICML 2023), equation 1. Vectors are not centred, so a common mean
    counts as one strong direction. d for an isotropic set, 1 for copies of one vector.
    """
    values = singular_values(vectors)
    shares = values / values.sum() + 1e-7
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(vectors: np.ndarray) -> float:
    """(sum l)^2 / sum l^2 over the eigenvalues l of the covariance of [n, d] vectors.

    d for an isotropic set, 1 for points on a line. The mean is taken out first.
    """
    variances = singular_values(vectors, centre=True) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum())
