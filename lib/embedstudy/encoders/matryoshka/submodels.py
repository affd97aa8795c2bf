"""The first layers and numbers of an encoder as an encoder of its own, which any library loads."""

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from torch import nn

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core.sizes import first_layers, layers

Size = tuple[int, int]  # layers, dim


def check_size(model: SentenceTransformer, size: Size) -> None:
    """Raise ``StudyError`` if the model has not so many layers or dimensions."""
    depth, dim = size
    most = len(layers(model)), model[0].auto_model.config.hidden_size
    if not (1 <= depth <= most[0] and 1 <= dim <= most[1]):
        raise StudyError(
            f"A sub-model of {depth} layers and {dim} dimensions is asked of an encoder of {most[0]} "
            f"layers and {most[1]} dimensions: ask for no more than it has, and at least one."
        )


def sub_model(
    model: SentenceTransformer,
    size: Size,
    axes: np.ndarray | None = None,
    mean: np.ndarray | None = None,
) -> SentenceTransformer:
    """A copy with the first layers only, whose vectors are the first ``dim`` numbers, of unit length.

    The projection is a ``Dense`` module without activation, as ``SentenceTransformer`` does not store
    ``truncate_dim``; so plain ``SentenceTransformer(path)`` loads what ``save`` wrote.

    Args:
        model: the encoder; its modules are a transformer, pooling, and perhaps normalisation.
        size: layers and dimensions; more than the model has raises ``StudyError``.
        axes: directions to project on instead of the first dimensions, float32 [width, at least dim].
        mean: what is taken off before, float32 [width].
    """
    check_size(model, size)
    depth, dim = size
    smaller = first_layers(model, depth)
    width = smaller[0].auto_model.config.hidden_size
    modules = [smaller[0], smaller[1]]
    if dim < width or axes is not None:
        modules.append(_projection(width, dim, axes, mean))
    return SentenceTransformer(modules=[*modules, Normalize()], device=str(model.device)).eval()


def _projection(width: int, dim: int, axes: np.ndarray | None, mean: np.ndarray | None) -> Dense:
    dense = Dense(width, dim, bias=mean is not None, activation_function=nn.Identity())
    axes = np.eye(width, dim, dtype=np.float32) if axes is None else axes[:, :dim]
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(axes.T)))
        if mean is not None:
            dense.linear.bias.copy_(torch.from_numpy(-mean @ axes))
    return dense
