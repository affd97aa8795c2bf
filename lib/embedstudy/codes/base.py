"""What every vector codec offers: fit on training vectors, encode to bytes, score float queries.

The vectors are those of a text encoder, unit length unless a codec says otherwise, so that the inner
product is the cosine. Bytes are counted from the arrays themselves: the codes, and everything fitted
that scoring needs (``codebooks``).
"""

import copy
import inspect
from typing import Self

import numpy as np

from embedstudy.codes import shortlist
from embedstudy.core.errors import StudyError
from embedstudy.measure import retrieval
from embedstudy.measure.vectors import unit


class Codec:
    """Vectors float32 [n, d] in, codes uint8 [n, bytes] out, and scores of float queries against codes.

    A subclass implements ``_fit``, ``_encode``, ``_decode`` and ``code_bytes``, and keeps all that
    scoring needs in ``codebooks``. The score is the inner product of a query with the decoded vector
    unless the subclass has a rule of its own, which it then says.
    """

    method: str  # the name of the family, as in the registry
    unit_length = False  # are decoded vectors scaled to length 1?
    symmetric = False  # are queries coded as documents are, before they are compared?
    slow_to_fit = False  # seconds and more, so that equal fits are worth keeping
    scoring_options: tuple[str, ...] = ()  # options that fitting does not depend on

    def __init__(self) -> None:
        self.dim: int | None = None
        self.trained_on = 0  # vectors that ``fit`` was given
        self.codebooks: dict[str, np.ndarray] = {}

    def options(self) -> dict:
        """The arguments that make this codec again."""
        values = vars(self)
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {n: values[n] if n in values else values[f"_{n}"] for n in names}

    @property
    def random(self) -> bool:
        """Does fitting draw at random, so that seeds differ?"""
        return False

    @property
    def learns(self) -> bool:
        """Does a ranking depend on the training vectors?"""
        return True

    def stages(self) -> tuple["Codec", ...]:
        """The codecs that are fitted each by itself: this one, or those it is put together from."""
        return (self,)

    def train_per_centroid(self) -> float | None:
        """Training vectors for each centroid of a codebook; None where none is learned.

        faiss warns below 39 (``ClusteringParameters.min_points_per_centroid``).
        """
        return None

    @property
    def name(self) -> str:
        """The codec and its options, as rows and charts show it."""
        return self._name() + ("-renormalised" if self.unit_length else "")

    def _name(self) -> str:
        return self.method

    def renormalised(self) -> Self:
        """The same codec with decoded vectors scaled to length 1.

        A lossy code shortens vectors, some more than others, which an inner product then sees. The
        length follows from the code, so no byte is added; a search by look-up tables that never decodes
        would have to store it.
        """
        changed = copy.copy(self)
        changed.unit_length = True
        return changed

    def fit(self, train: np.ndarray, seed: int = 0) -> Self:
        """Learn from training vectors: never queries, never test documents.

        Args:
            train: float [n, d].
            seed: of whatever the codec draws at random.

        Raises:
            StudyError: the vectors are none, too few, not finite, or of dimensions that these options
                cannot code.
        """
        train = _vectors(train)
        if not len(train):
            raise StudyError(f"{self.name} has no training vectors: give at least one.")
        self.check_dim(train.shape[1])
        self.restored({}, dim=train.shape[1], trained_on=len(train))
        self._fit(train, seed)
        return self

    def restored(self, codebooks: dict[str, np.ndarray], *, dim: int, trained_on: int) -> Self:
        """This codec as ``fit`` left it, from its ``codebooks``, ``dim`` and ``trained_on``.

        For codecs that hold no other codec.
        """
        self.codebooks, self.dim, self.trained_on = dict(codebooks), dim, trained_on
        return self

    def with_float_queries(self) -> "Codec":
        """The same fitted codec, scoring float queries against the same codes.

        Raises ``StudyError`` for a codec that has no such rule.
        """
        raise StudyError(f"{self.name} has no rule for float queries against its own codes.")

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Codes uint8 [n, bytes] of vectors [n, d]."""
        return np.ascontiguousarray(self._encode(self._checked(vectors)))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The vectors float32 [n, d] that codes stand for."""
        vectors = self._decode(codes)
        return unit(vectors) if self.unit_length else vectors

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """float32 [queries, n], higher is better: the inner product with the decoded vectors."""
        return self._checked(queries) @ self.decode(codes).T

    def search(self, queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        """The ``k`` best documents of each query by ``score``; of ties the earlier document.

        Args:
            queries: float32 [queries, d].
            codes: uint8 [n, bytes], of the corpus.
            k: documents a query; of a smaller corpus all.

        Returns:
            Rows of ``codes``, best first: int64 [queries, min(k, n)].
        """
        queries = self._checked(queries)
        listed = None
        if len(codes) >= shortlist.DOCUMENTS and len(queries) and k and not self.unit_length:
            k = min(k, len(codes))
            listed = self._shortlist(queries, codes, min(k + shortlist.MORE, len(codes)))
        if listed is None:
            return retrieval.search(self.score, queries, codes, k)
        return shortlist.ranking(self.score, queries, codes, listed, k)

    def _shortlist(
        self, queries: np.ndarray, codes: np.ndarray, count: int
    ) -> shortlist.Shortlist | None:
        """The ``count`` best documents by a score quicker than ``score``; None if there is none."""
        return None

    def _longest(self, codes: np.ndarray) -> float:
        """A length that no decoded vector exceeds: twice the longest of a sample of them."""
        some = self.decode(np.ascontiguousarray(codes[:: max(1, len(codes) // 256)]))
        return 2 * float(np.linalg.norm(some, axis=1).max())

    def codebook_bytes(self) -> int:
        """Bytes of everything fitted that scoring needs, whatever the number of vectors."""
        return sum(array.nbytes for array in self.codebooks.values())

    def code_bytes(self, dim: int) -> int:
        """Bytes of the code of one vector of ``dim`` dimensions, known before fitting."""
        raise NotImplementedError

    def check_dim(self, dim: int) -> None:
        """Raise ``StudyError`` if vectors of ``dim`` dimensions cannot be coded with these options."""

    def _fit(self, train: np.ndarray, seed: int) -> None:
        pass

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        vectors = _vectors(vectors)
        if self.dim is None:
            raise StudyError(f"{self.name} is not fitted: call fit with training vectors first.")
        if vectors.shape[1] != self.dim:
            raise StudyError(
                f"{self.name} was fitted on {self.dim} dimensions, these vectors have "
                f"{vectors.shape[1]}: use vectors of the same encoder."
            )
        return vectors


def bytes_per_vector(codec: Codec, codes: np.ndarray, vectors: int | None = None) -> float:
    """Bytes of one vector: its code and its share of the codebooks.

    ``vectors``: how many share the codebooks; those in ``codes`` unless told otherwise, to see what the
    same codec costs in a larger index.
    """
    return codes.nbytes / len(codes) + codec.codebook_bytes() / (vectors or len(codes))


def sample(train: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``limit`` rows, drawn without replacement, in their old order."""
    if len(train) <= limit:
        return train
    return train[np.sort(rng.choice(len(train), limit, replace=False))]


def check_option(codec: str, option: str, value: object, allowed: tuple) -> None:
    """Raise ``StudyError`` naming the option if ``value`` is not among ``allowed``."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise StudyError(f"{codec}: {option} is {value!r}, it must be one of {names}.")


def check_count(codec: str, what: str, value: int, least: int = 1, most: int | None = None) -> None:
    """Raise ``StudyError`` if a number of dimensions, bits or parts is out of range."""
    if not isinstance(value, int | np.integer) or value < least or (most and value > most):
        limit = f"{least} to {most}" if most else f"at least {least}"
        raise StudyError(f"{codec}: {what} is {value!r}, it must be {limit}.")


def _vectors(vectors: np.ndarray) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2:
        raise StudyError(f"Vectors must be [n, d], these have the shape {vectors.shape}.")
    if not np.isfinite(vectors).all():
        raise StudyError("Some vectors hold NaN or infinity: encode the texts again.")
    return vectors
