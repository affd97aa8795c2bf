"""The vectors of every layer from one pass through an encoder."""

from collections.abc import Iterable

from sentence_transformers import SentenceTransformer
from torch import Tensor


def pooled_layers(model: SentenceTransformer, features: dict[str, Tensor]) -> list[Tensor]:
    """The pooled, not normalised, vectors after each block, [B, dim] each; the last is the model's own.

    ``features``: tokenised texts, as the first module takes them.
    """
    transformer, pooling = model[0], model[1]
    config = transformer.auto_model.config
    before = config.output_hidden_states
    try:
        config.output_hidden_states = True
        output = transformer(dict(features))
    finally:
        config.output_hidden_states = before
    hidden = output.pop("all_layer_embeddings")[1:]  # the first is the embedding layer's
    return [pooling({**output, "token_embeddings": one})["sentence_embedding"] for one in hidden]


def pooled_columns(
    model: SentenceTransformer, columns: Iterable[dict[str, Tensor]]
) -> list[list[Tensor]]:
    """``pooled_layers`` of every column of a batch (anchors, positives, ...): [columns][layers]."""
    return [pooled_layers(model, features) for features in columns]
