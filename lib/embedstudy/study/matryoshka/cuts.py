"""How a model of chapter 21 is cut to its size: which numbers of a block's output are kept."""

import numpy as np
from sentence_transformers import SentenceTransformer

from embedstudy.core.seeding import numpy_generator
from embedstudy.encoders.core import encode
from embedstudy.encoders.matryoshka.maps import trained_axes
from embedstudy.encoders.matryoshka.submodels import Size, pooled_model, sub_model
from embedstudy.study.matryoshka.data import docs_pairs
from embedstudy.study.matryoshka.methods import dims
from embedstudy.study.matryoshka.types import MatryoshkaRun

_MAP_RATE = 0.001  # of a map alone; an encoder is trained more slowly
_ANCHORS, _DOCUMENTS = 0, 1  # columns of the pairs of docs


def cut(run: MatryoshkaRun, model: SentenceTransformer) -> SentenceTransformer:
    """The sub-model of the run's size, by the run's rule.

    The first dimensions are kept, or random ones; or the mean of training documents is taken off
    (``centred``), and then their principal axes kept (``pca``), or these after training (``map``).
    """
    size, rule = tuple(run.size), run.method.removeprefix("plain_")
    if rule == "separate":
        return model
    if rule == "random_dims":
        width = model[0].auto_model.config.hidden_size
        order = numpy_generator(run.seed, "random dims").permutation(width)
        return sub_model(model, size, np.eye(width, dtype=np.float32)[:, order])
    if rule not in ("centred", "pca", "map"):
        return sub_model(model, size)
    documents = _pooled(run, model, size, _DOCUMENTS)
    mean = documents.mean(axis=0).astype(np.float32)
    if rule == "centred":
        return sub_model(model, size, mean=mean)
    axes = _principal(documents)
    if rule == "map":
        columns = _pooled(run, model, size, _ANCHORS), documents
        config = {"steps": run.train.map_steps, "batch": run.train.batch, "seed": run.seed}
        axes = trained_axes(columns, axes, mean, dims(run.sizes), lr=_MAP_RATE, **config)
    return sub_model(model, size, axes, mean)


def _pooled(run: MatryoshkaRun, model: SentenceTransformer, size: Size, column: int) -> np.ndarray:
    """The vectors after the size's last block, not normalised, of a column of the training pairs of
    docs: float64 [pairs, width].
    """
    pooled = pooled_model(model, size[0])
    pooled.max_seq_length = run.length
    texts = docs_pairs(run.train.pairs)[column][: run.train.principal]
    return encode.encode(pooled, texts).astype(np.float64)


def _principal(vectors: np.ndarray) -> np.ndarray:
    """The principal axes of vectors, the longest first: float32 [width, width]."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return axes[:, ::-1].astype(np.float32)
