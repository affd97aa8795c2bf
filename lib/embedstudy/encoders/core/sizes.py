"""Where an encoder's bytes are, and where its milliseconds go."""

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

# What a parameter's name in a BERT-like encoder ends up in; the first match counts.
PARTS = {
    "word table": ("word_embeddings",),
    "positions and types": ("position_embeddings", "token_type_embeddings"),
    "layer norms": ("LayerNorm", "layer_norm"),
    "attention": (".attention.",),
    "feed-forward": (".intermediate.", ".output."),
    "pooler": ("pooler.",),
}
OTHER = "other"


def part_of(name: str) -> str:
    """The part of an encoder that holds the parameter of that name."""
    return next(
        (part for part, marks in PARTS.items() if any(mark in name for mark in marks)), OTHER
    )


def bytes_by_part(encoder: SentenceTransformer) -> dict[str, int]:
    """Bytes of the parameters of each part, in the order of ``PARTS``; parts without any are left out.

    The pooler is stored by BERT checkpoints but has no influence on mean-pooled vectors.
    """
    by_part = dict.fromkeys([*PARTS, OTHER], 0)
    for name, parameter in encoder.named_parameters():
        by_part[part_of(name)] += parameter.numel() * parameter.element_size()
    return {part: size for part, size in by_part.items() if size}


def layers(encoder: SentenceTransformer) -> nn.ModuleList:
    """The transformer blocks of a BERT-like encoder."""
    return encoder[0].auto_model.encoder.layer


def first_layers(encoder: SentenceTransformer, depth: int) -> SentenceTransformer:
    """A copy of the encoder with its first ``depth`` blocks only; weights are copied as well."""
    smaller = copy.deepcopy(encoder)
    del layers(smaller)[depth:]
    smaller[0].auto_model.config.num_hidden_layers = depth
    return smaller


@torch.inference_mode()
def milliseconds(
    encoder: SentenceTransformer, length: int, batch: int = 1, repeats: int = 20
) -> float:
    """Median wall time of one pass over texts of one length, tokenising left out.

    Volatile: it depends on the machine, its load and the number of threads.

    Args:
        encoder: on the device where it is timed.
        length: tokens of a text.
        batch: texts a pass.
        repeats: passes that count; three more warm up.
    """
    device = encoder.device
    ids = torch.full((batch, length), encoder.tokenizer.unk_token_id, device=device)
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    times = []
    for _ in range(repeats + 3):
        _synchronise(device)
        started = time.perf_counter()
        encoder(dict(features))
        _synchronise(device)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times[3:]))


def by_depth(
    encoder: SentenceTransformer, length: int = 32, batch: int = 1, repeats: int = 20
) -> dict[int, float]:
    """``milliseconds`` with the first 0, 1, … all blocks; 0 is embedding and pooling alone."""
    smaller = copy.deepcopy(encoder)
    times = {}
    for depth in range(len(layers(encoder)), -1, -1):
        del layers(smaller)[depth:]
        times[depth] = milliseconds(smaller, length, batch, repeats)
    return dict(sorted(times.items()))


def by_length(
    encoder: SentenceTransformer, lengths: Sequence[int], batch: int = 1, repeats: int = 20
) -> dict[int, float]:
    """``milliseconds`` for texts of each length in tokens."""
    return {length: milliseconds(encoder, length, batch, repeats) for length in lengths}


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
