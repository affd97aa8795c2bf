"""The first layers and numbers of an encoder as an encoder of its own, which any library loads."""

from collections.abc import Sequence

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
    ``truncate_dim``; so plain ``SentenceTransformer(path)`` loads what ``save`` wrote. Texts get the
    prompts that the whole encoder puts before them.

    Args:
        model: the encoder; its modules are a transformer, pooling, and perhaps normalisation.
        size: layers and dimensions; more than the model has raises ``StudyError``.
        axes: directions to project on instead of the first dimensions, float32 [width, at least dim].
        mean: what is taken off before, float32 [width].
    """
    check_size(model, size)
    pooled = pooled_model(model, size[0])
    width = pooled[0].auto_model.config.hidden_size
    modules = [pooled[0], pooled[1]]
    if size[1] < width or axes is not None or mean is not None:
        modules.append(_projection(width, size[1], axes, mean))
    return _with_modules(model, [*modules, Normalize()])


def pooled_model(model: SentenceTransformer, depth: int) -> SentenceTransformer:
    """A copy with the first ``depth`` blocks that ends with pooling: its vectors are not normalised."""
    smaller = first_layers(model, depth)
    return _with_modules(model, [smaller[0], smaller[1]])


def _with_modules(model: SentenceTransformer, modules: Sequence[nn.Module]) -> SentenceTransformer:
    """An encoder of other modules that is asked as ``model`` is: with its prompts, on its device."""
    return SentenceTransformer(
        modules=list(modules),
        device=str(model.device),
        prompts=dict(model.prompts),
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
    ).eval()


def _projection(width: int, dim: int, axes: np.ndarray | None, mean: np.ndarray | None) -> Dense:
    dense = Dense(width, dim, bias=mean is not None, activation_function=nn.Identity())
    axes = np.eye(width, dim, dtype=np.float32) if axes is None else axes[:, :dim]
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(axes.T)))
        if mean is not None:
            dense.linear.bias.copy_(torch.from_numpy(-mean @ axes))
    return dense
