"""Rotate, then take signs: random rotations and the learned rotation of ITQ."""

import numpy as np

from embedstudy.codes import shortlist
from embedstudy.codes.base import check_count, sample
from embedstudy.codes.binary import SignCodec, signs
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator

_SAMPLE = 10_000  # training vectors that ITQ rotates


class _RotatedSigns(SignCodec):
    """b = sign((x - m) W) with W [d, bits]; decoded to m + a b W^T, a the mean of |(x - m) W|.

    With orthonormal columns that is the least-squares decoding. For a query q, q . m is the same for
    all documents, so it does not change the ranking; it is in the score that the score be q times the
    decoded vector. W, m and a are counted as codebook, also where a seed could make W again.

    Args:
        bits: of a code, in all; one a dimension where None.
        queries: ``float`` or ``codes``, as in ``SignCodec``.
    """

    def __init__(self, bits: int | None = None, *, queries: str = "float"):
        super().__init__(queries)
        if bits is not None:
            check_count(self.method, "bits", bits)
        self._bits = bits

    @property
    def random(self) -> bool:
        return True

    def _name(self) -> str:
        return self.method + ("-hamming" if self.queries == "codes" else "")

    def bits(self, dim: int) -> int:
        return self._bits or dim

    def _keep(self, matrix: np.ndarray, mean: np.ndarray | None, train: np.ndarray) -> None:
        self.codebooks["matrix"] = np.ascontiguousarray(matrix, dtype=np.float32)
        if mean is not None:
            self.codebooks["mean"] = mean.astype(np.float32)
        # The squared columns add up to bits / dim dimensions' worth where there are more bits than
        # dimensions: dividing by it keeps the decoded length right.
        repeats = max(1.0, self.bits(self.dim) / self.dim)
        scale = np.abs(self._project(train)).mean() / repeats
        self.codebooks["scale"] = np.array([scale], np.float32)

    def _project(self, vectors: np.ndarray) -> np.ndarray:
        mean = self.codebooks.get("mean")
        centred = vectors if mean is None else vectors - mean
        return centred @ self.codebooks["matrix"]

    def _unproject(self, signs: np.ndarray) -> np.ndarray:
        decoded = (signs * self.codebooks["scale"]) @ self.codebooks["matrix"].T
        return decoded + self.codebooks.get("mean", np.float32(0))

    def _shortlist(self, queries: np.ndarray, codes: np.ndarray, count: int) -> shortlist.Shortlist:
        """By q . m + (a q W) . b: the query is turned, not every document turned back."""
        error = shortlist.rounding(queries, self._longest(codes))
        turned = (queries * self.codebooks["scale"]) @ self.codebooks["matrix"]
        constant = queries @ self.codebooks.get("mean", np.zeros(self.dim, np.float32))

        def score(turned: np.ndarray, codes: np.ndarray) -> np.ndarray:
            scores = turned @ signs(codes, self.bits(self.dim)).T
            scores += constant[:, None]
            return scores

        return shortlist.by_score(score, turned, codes, count, error)


class RandomRotation(_RotatedSigns):
    """Signs of a random rotation, the orthogonal form of sign-random-projection hashing.

    Charikar, "Similarity Estimation Techniques from Rounding Algorithms" (STOC 2002); orthogonal
    columns as in Ji et al., "Super-Bit Locality-Sensitive Hashing" (NeurIPS 2012). Uniformly random
    (Haar) orthonormal columns; more bits than dimensions take several independent rotations. Vectors
    are not centred.

    Args:
        bits: of a code, in all; one a dimension where None.
        queries: ``float`` or ``codes``, as in ``SignCodec``.
    """

    method = "random-rotation"
    learns = False  # but the length of decoded vectors, which changes no ranking

    def _fit(self, train: np.ndarray, seed: int) -> None:
        rng = numpy_generator(seed, "random rotation")
        bits, dim = self.bits(self.dim), self.dim
        blocks = [random_rotation(dim, rng) for _ in range(-(-bits // dim))]
        self._keep(np.concatenate(blocks, axis=1)[:, :bits], None, train)


class ITQ(_RotatedSigns):
    """Iterative quantisation: the rotation R of the first principal components V that minimises
    |sign(V R) - V R|^2, by turns between B = sign(V R) and R = the rotation of V closest to B.

    Gong and Lazebnik, "Iterative Quantization: A Procrustean Approach to Learning Binary Codes" (CVPR
    2011), section 2.2: with B^T V = S O T^T, R = T S^T. ``iterations`` 50 as in the paper, from a random
    rotation. Fitted on at most 10,000 training vectors.

    Args:
        bits: of a code, in all, at most one a dimension; one a dimension where None.
        queries: ``float`` or ``codes``, as in ``SignCodec``.
        iterations: turns of B and R; 0 leaves the random rotation.
    """

    method = "itq"
    slow_to_fit = True

    def __init__(self, bits: int | None = None, *, queries: str = "float", iterations: int = 50):
        super().__init__(bits, queries=queries)
        check_count(self.method, "iterations", iterations, least=0)
        self.iterations = iterations

    def check_dim(self, dim: int) -> None:
        if self.bits(dim) > dim:
            raise StudyError(
                f"itq: {self._bits} bits are asked of vectors of {dim} dimensions: at most {dim}."
            )

    def _fit(self, train: np.ndarray, seed: int) -> None:
        rng = numpy_generator(seed, "itq")
        train = sample(train, _SAMPLE, rng)
        mean, axes, _ = principal_axes(train)
        axes = axes[:, : self.bits(self.dim)].astype(np.float32)
        projected = (train - mean.astype(np.float32)) @ axes
        rotation = random_rotation(axes.shape[1], rng).astype(np.float32)
        for _ in range(self.iterations):
            signs = np.where(projected @ rotation > 0, np.float32(1), np.float32(-1))
            left, _, right = np.linalg.svd(signs.T @ projected)
            rotation = right.T @ left.T
        self._keep(axes @ rotation, mean, train)


def random_rotation(dim: int, rng: np.random.Generator) -> np.ndarray:
    """A uniformly distributed orthogonal matrix float64 [dim, dim]."""
    orthogonal, upper = np.linalg.qr(rng.standard_normal((dim, dim)))
    return orthogonal * np.where(np.diag(upper) < 0, -1, 1)


def principal_axes(train: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [d], principal axes as columns [d, d], variances [d] descending; float64.

    The sign of an axis is fixed: its largest entry is positive.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    centred = train - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(train))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return mean, axes * np.where(largest < 0, -1, 1), variances
