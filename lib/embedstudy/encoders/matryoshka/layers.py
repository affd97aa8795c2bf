"""The vectors of every layer from one pass through an encoder."""

from collections.abc import Iterable

from sentence_transformers import SentenceTransformer
from torch import Tensor, nn


def pooled_layers(
    model: nn.Module, features: dict[str, Tensor], *, embedding_layer: bool = False
) -> list[Tensor]:
    """The pooled, not normalised, vectors after each block, [B, dim] each; the last is the model's own.

    Args:
        model: the encoder, or a wrapper that ``SentenceTransformerTrainer`` trains it in. The pass goes
            through the wrapper: only so are gradients shared between processes.
        features: tokenised texts, as the first module takes them.
        embedding_layer: whether the output of the embedding layer comes before those of the blocks, so
            that an index is a number of blocks.
    """
    encoder = unwrapped(model)
    config, pooling = encoder[0].auto_model.config, encoder[1]
    before = config.output_hidden_states
    try:
        config.output_hidden_states = True
        output = model(dict(features))
    finally:
        config.output_hidden_states = before
    hidden = output.pop("all_layer_embeddings")
    hidden = hidden if embedding_layer else hidden[1:]
    return [pooling({**output, "token_embeddings": one})["sentence_embedding"] for one in hidden]


def pooled_columns(
    model: nn.Module, columns: Iterable[dict[str, Tensor]], *, embedding_layer: bool = False
) -> list[list[Tensor]]:
    """``pooled_layers`` of every column of a batch (anchors, positives, ...): [columns][layers]."""
    return [pooled_layers(model, features, embedding_layer=embedding_layer) for features in columns]


def finished(model: nn.Module, pooled: Tensor) -> Tensor:
    """What the modules after pooling, perhaps a normalisation, make of pooled vectors."""
    features = {"sentence_embedding": pooled}
    for module in list(unwrapped(model))[2:]:
        features = module(features)
    return features["sentence_embedding"]


def unwrapped(model: nn.Module) -> SentenceTransformer:
    """The encoder inside what (Distributed)DataParallel and ``torch.compile`` put around it."""
    while not isinstance(model, SentenceTransformer):
        model = model.module if hasattr(model, "module") else model._orig_mod
    return model
