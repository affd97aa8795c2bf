"""Exhaustive search: codecs beside faiss' flat indices and usearch, ten best documents of each query.

The documents are seeded unit vectors around random centres, of the encoder's 384 dimensions. A peer
holds the same vectors in as many bytes; faiss' product quantiser has the codec's own codebooks.
"""

from collections.abc import Callable
from functools import partial

import faiss
import numpy as np

from embedstudy.checks.bench.turns import Peer, Row, beside
from embedstudy.codes.base import Codec, unit
from embedstudy.codes.binary import Binary
from embedstudy.codes.quantisers import PQ
from embedstudy.codes.scalar import Float, Integer
from embedstudy.core.seeding import numpy_generator

_DIM, _K, _GOAL = 384, 10, 0.9
_FAISS = {"fp32": "flat", "int8": "SQ8", "bits": "binary flat", "PQ": "PQ"}
USEARCH = Peer("usearch, exact", "usearch", "usearch")
Search = Callable[[], object]


def compare(repeats: int, small: bool) -> list[Row]:
    """Queries a second, 100 of them in a call."""
    count, asked, parts = (1_000, 5, 8) if small else (100_000, 100, 48)
    vectors = _vectors(count + asked)
    documents, queries = vectors[:count], vectors[count:]
    measured = []
    for name, codec in {
        "fp32": Float(),
        "int8": Integer(),
        "bits": Binary(queries="codes"),
        "PQ": PQ(parts),
    }.items():
        codes = codec.fit(documents[:20_000]).encode(documents)
        what = f"search {count:,} x {_DIM}, {name}, {codes.shape[1]:,} bytes"
        ours = partial(codec.search, queries, codes, _K)
        peers = [(Peer(f"faiss, {_FAISS[name]}", "faiss-cpu"), _faiss)]
        peers += [(USEARCH, _usearch)] * (name != "PQ")
        measured += [
            beside(
                what, "queries", asked, ours, peer, partial(prepare, name, codec, documents, queries),
                repeats=repeats, goal=_GOAL,
            )
            for peer, prepare in peers
        ]  # fmt: skip
    return measured


def _vectors(count: int) -> np.ndarray:
    rng = numpy_generator(0, "bench", "search")
    centres = rng.standard_normal((500, _DIM), dtype=np.float32)
    noise = rng.standard_normal((count, _DIM), dtype=np.float32)
    return unit(centres[rng.integers(0, len(centres), count)] + noise)


def _faiss(name: str, codec: Codec, documents: np.ndarray, queries: np.ndarray) -> Search:
    """A search in faiss' index of the same kind."""
    if name == "bits":
        index = faiss.IndexBinaryFlat(_DIM)
        index.add(codec.encode(documents))
        return partial(index.search, codec.encode(queries), _K)
    if name == "PQ":
        index = faiss.IndexPQ(_DIM, codec.parts, codec.bits, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(codec.codebooks["centroids"].ravel(), index.pq.centroids)
        index.is_trained = True
    elif name == "int8":
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexScalarQuantizer(_DIM, kind, faiss.METRIC_INNER_PRODUCT)
        index.train(documents[:20_000])
    else:
        index = faiss.IndexFlatIP(_DIM)
    index.add(documents)
    return partial(index.search, queries, _K)


def _usearch(name: str, codec: Codec, documents: np.ndarray, queries: np.ndarray) -> Search:
    """An exact search of usearch over float32, int8 or bits, on as many threads as faiss."""
    from usearch.index import MetricKind, search

    if name == "bits":
        sides, metric = (codec.encode(documents), codec.encode(queries)), MetricKind.Hamming
    elif name == "int8":
        sides = [np.round(side * 127).astype(np.int8) for side in (documents, queries)]
        metric = MetricKind.IP
    else:
        sides, metric = (documents, queries), MetricKind.IP
    threads = faiss.omp_get_max_threads()
    return lambda: search(*sides, _K, metric, exact=True, threads=threads)
