"""BM25 (Robertson and Zaragoza, 2009), the lexical baseline beside every retrieval set.

score(q, d) = Σ_{t in q} idf(t) · f(t,d) · (k1 + 1) / (f(t,d) + k1 · (1 − b + b · |d| / avg|d|)),
idf(t) = ln(1 + (N − n(t) + 0.5) / (n(t) + 0.5)),

with f the frequency of a term in a document, n the number of documents that hold it and a term's
weight counted as often as the query repeats it. k1 = 0.9 and b = 0.4 are Anserini's, with which BEIR
reports BM25. Anserini's analyser also stems and drops stop words; here a term is a lower-case run of
letters, digits or underscores, nothing more, so figures differ a little from those published.
"""

import re
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

_TERM = re.compile(r"\w+")


class BM25:
    """An index of ``documents``: a sparse matrix of weights [documents, terms].

    Args:
        documents: the texts, in the order of the rows.
        k1: how fast repeating a term stops counting; 0 counts a term once.
        b: how much a long document is held against it, 0 to 1.
    """

    def __init__(self, documents: Sequence[str], k1: float = 0.9, b: float = 0.4):
        self.vocabulary: dict[str, int] = {}
        counts = self._counts(documents, grow=True)
        length = counts.sum(axis=1)
        holding = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((len(documents) - holding + 0.5) / (holding + 0.5))
        norm = k1 * (1 - b + b * length / max(length.mean(), 1e-9))
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        frequency = counts.data
        counts.data = idf[counts.indices] * frequency * (k1 + 1) / (frequency + norm[rows])
        self.weights = counts

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """The score of every document for every query, float32 [queries, documents]."""
        asked = self._counts(queries, grow=False)
        return (asked @ self.weights.T).toarray().astype(np.float32)

    def _counts(self, texts: Sequence[str], grow: bool) -> csr_array:
        """Term frequencies [texts, terms]; unknown terms get a column only if ``grow``."""
        rows, columns = [], []
        for row, text in enumerate(texts):
            terms = _TERM.findall(text.lower())
            if grow:
                places = [self.vocabulary.setdefault(one, len(self.vocabulary)) for one in terms]
            else:
                places = [self.vocabulary[one] for one in terms if one in self.vocabulary]
            rows.append(np.full(len(places), row))
            columns += places
        where = (np.concatenate([*rows, []]).astype(np.int64), np.array(columns, np.int64))
        counts = csr_array(
            (np.ones(len(columns)), where), shape=(len(texts), max(len(self.vocabulary), 1))
        )
        counts.sum_duplicates()
        return counts
