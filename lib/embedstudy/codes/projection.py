"""Fewer dimensions, stored by any other codec: truncation, random dimensions, PCA."""

import numpy as np

from embedstudy.codes.base import Codec, check_count, check_option
from embedstudy.codes.rotation import principal_axes
from embedstudy.codes.scalar import Float
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import numpy_generator
from embedstudy.measure.vectors import unit

REDUCTIONS = ("truncate", "random-dims", "pca", "pca-whiten")
_LEAST_VARIANCE = 1e-8  # share of the largest variance; whitening divides by no less


class Projected(Codec):
    """k numbers in place of d, then the codec ``inner`` for those.

    ``reduction``:

    - ``truncate``: the first k dimensions, as Matryoshka models are cut; no codebook.
    - ``random-dims``: k dimensions drawn at random, the control of truncation.
    - ``pca``: z = W^T (x - mean), W the first k principal axes of the training vectors. Decoded to
      mean + W z, so the score is q . mean + (W^T q) . z, the best linear estimate of q . x.
    - ``pca-whiten``: each component also divided by its standard deviation, for queries too. This is
      another similarity, the cosine in the whitened space, by design; so there is no way back to the
      float vectors' inner product.

    ``renormalise`` scales what is left of a document after ``truncate`` or ``random-dims`` to length 1,
    which ``truncate_dim`` of sentence-transformers does not do by itself but Matryoshka models are
    trained for. Whitened documents are always renormalised, those of ``pca`` never: their inner product
    estimates the cosine as it is. A query's length changes no ranking.

    Args:
        reduction: ``truncate``, ``random-dims``, ``pca`` or ``pca-whiten``.
        dims: k, numbers that are left; at most d.
        inner: the codec, not fitted, that stores them; floats of 32 bits where None.
        renormalise: is what is left of a document scaled to length 1? Always of ``pca-whiten``, never
            of ``pca``.
    """

    method = "projected"

    def __init__(
        self, reduction: str, dims: int, inner: Codec | None = None, *, renormalise: bool = True
    ):
        super().__init__()
        check_option(self.method, "reduction", reduction, REDUCTIONS)
        check_count(self.method, "dims", dims)
        self.reduction, self.dims, self.inner = reduction, dims, inner or Float()
        self.renormalise = reduction == "pca-whiten" or (renormalise and reduction != "pca")

    @property
    def symmetric(self) -> bool:
        return self.inner.symmetric

    @property
    def random(self) -> bool:
        return self.reduction == "random-dims" or self.inner.random

    @property
    def learns(self) -> bool:
        return self.reduction in ("pca", "pca-whiten") or self.inner.learns

    def train_per_centroid(self) -> float | None:
        return self.inner.train_per_centroid()

    def _name(self) -> str:
        as_is = self.reduction in ("truncate", "random-dims") and not self.renormalise
        return f"{self.reduction}{'-as-is' if as_is else ''}-{self.inner.name}"

    def check_dim(self, dim: int) -> None:
        if self.dims > dim:
            raise StudyError(
                f"{self.reduction}: {self.dims} dimensions are asked of vectors of {dim}: at most {dim}."
            )
        self.inner.check_dim(self.dims)

    def code_bytes(self, dim: int) -> int:
        return self.inner.code_bytes(self.dims)

    def codebook_bytes(self) -> int:
        return super().codebook_bytes() + self.inner.codebook_bytes()

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if self.reduction == "random-dims":
            rng = numpy_generator(seed, "random dims")
            chosen = np.sort(rng.choice(self.dim, self.dims, replace=False))
            self.codebooks["chosen"] = chosen.astype(np.uint16)
        elif self.reduction != "truncate":
            mean, axes, variances = principal_axes(train)
            axes, variances = axes[:, : self.dims], variances[: self.dims]
            if self.reduction == "pca-whiten":
                axes = axes / np.sqrt(np.maximum(variances, _LEAST_VARIANCE * variances[0] + 1e-30))
            self.codebooks["mean"] = mean.astype(np.float32)
            self.codebooks["axes"] = np.ascontiguousarray(axes, dtype=np.float32)
        self.inner.fit(self._reduced(train), seed)

    def _reduced(self, vectors: np.ndarray) -> np.ndarray:
        """The k numbers of documents: float32 [n, k]."""
        if "axes" in self.codebooks:
            reduced = self._turned(vectors - self.codebooks["mean"])
        else:
            reduced = self._turned(vectors)
        return unit(reduced) if self.renormalise else reduced

    def _turned(self, vectors: np.ndarray) -> np.ndarray:
        """The linear part of the reduction alone."""
        if "axes" in self.codebooks:
            return vectors @ self.codebooks["axes"]
        return np.ascontiguousarray(vectors[:, self._chosen()])

    def _chosen(self) -> np.ndarray | slice:
        return self.codebooks.get("chosen", slice(self.dims))

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return self.inner.encode(self._reduced(vectors))

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        reduced = self.inner.decode(codes)
        if self.reduction == "pca":
            return reduced @ self.codebooks["axes"].T + self.codebooks["mean"]
        if self.reduction == "pca-whiten":
            raise StudyError("pca-whiten compares whitened vectors: they have no decoded form.")
        decoded = np.zeros((len(reduced), self.dim), np.float32)
        decoded[:, self._chosen()] = reduced
        return decoded

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """float32 [queries, n]: the inner codec's score of the reduced query."""
        queries = self._checked(queries)
        if self.unit_length:
            return super().score(queries, codes)
        if self.symmetric or self.reduction == "pca-whiten":  # a query is treated as a document is
            return self.inner.score(self._reduced(queries), codes)
        scores = self.inner.score(self._turned(queries), codes)
        if self.reduction == "pca":
            scores += (queries @ self.codebooks["mean"])[:, None]
        return scores

    def search(self, queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        if self.symmetric and not self.unit_length:
            return self.inner.search(self._reduced(self._checked(queries)), codes, k)
        return super().search(queries, codes, k)
