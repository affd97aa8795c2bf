"""Word pieces counted, tables fitted to trained rows, and quality recovered by distillation."""

from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator
from embedstudy.encoders.word_table.module import WordTableTransformer, pieces, word_table
from embedstudy.tables.core.base import Table, TableSpec


def piece_counts(encoder: SentenceTransformer, texts: Sequence[str]) -> Tensor:
    """How often each word piece occurs in ``texts``: int64 [pieces]. Special tokens do not count.

    Texts are not cut. Raises ``StudyError`` when there is none.
    """
    if not texts:
        raise StudyError("There is no text to count word pieces in: give at least one.")
    ids = encoder.tokenizer(
        list(texts), add_special_tokens=False, truncation=False, return_attention_mask=False,
        return_token_type_ids=False, verbose=False,
    )["input_ids"]  # fmt: skip
    flat = np.concatenate([np.asarray(one, np.int64) for one in ids])
    return torch.from_numpy(np.bincount(flat, minlength=pieces(encoder)))


def table_spec(encoder: SentenceTransformer, counts: Tensor) -> TableSpec:
    """What a table must serve in the encoder: one field, a row a piece, vectors as spread as trained.

    Args:
        encoder: with its trained word table.
        counts: of each piece, int64 [pieces], from ``piece_counts``.
    """
    weight = word_table(encoder).weight
    return TableSpec((len(weight),), weight.shape[1], counts, float(weight.detach().std()))


def fit_rows(
    table: Table, weight: Tensor, counts: Tensor, *, steps: int, batch: int, lr: float, seed: int
) -> list[float]:
    """Fit a table that has to be trained to trained rows, by regression.

    Adam on the squared error of rows drawn with a probability in proportion to the square root of
    1 + their count: frequent pieces matter more, rare ones are not forgotten.

    Args:
        table: trained in place.
        weight: the rows to come near, float32 [pieces, dim].
        counts: of each piece, int64 [pieces].
        steps: optimiser steps.
        batch: rows a step, drawn with replacement.
        lr: learning rate of the first step; it falls to a twentieth.
        seed: of the draws.

    Returns:
        The mean loss of each tenth of the steps.
    """
    rng = generator(seed, "fit rows")
    chance = (counts.double() + 1).sqrt()
    optimizer = torch.optim.Adam(table.parameter_groups(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    losses = []
    table.train()
    for _ in range(steps):
        ids = torch.multinomial(chance, batch, replacement=True, generator=rng)
        loss = nn.functional.mse_loss(table(ids), weight[ids])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    table.eval()
    return [float(np.mean(part)) for part in np.array_split(losses, min(10, steps))]


def make_trainable(table: Table) -> list[nn.Parameter]:
    """The fp32 tensors of a table as parameters: factors and centroids train, codes stay.

    A table fitted after training holds them as buffers; they are replaced in place. The state's names do
    not change, so the file of the table does not either. Empty where all is integers.
    """
    for module in table.modules():
        stored = set(module.state_dict(keep_vars=True))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None and name in stored and buffer.dtype == torch.float32:
                delattr(module, name)
                module.register_parameter(name, nn.Parameter(buffer.clone()))
    return list(table.parameters())


def recover(
    encoder: SentenceTransformer,
    texts: Sequence[str],
    teacher: np.ndarray,
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
) -> list[float]:
    """Train the compressed word table alone until the encoder's vectors are those of a teacher.

    The loss is 1 - cosine. Everything but the table is frozen, and dropout is off.

    Args:
        encoder: from ``replace_word_table``; trained in place. Any other raises ``StudyError``.
        texts: what is drawn from.
        teacher: their vectors by the uncompressed encoder, float32 [texts, dim], of unit length.
        steps: steps of Adam.
        batch: texts a step, drawn with replacement.
        lr: learning rate of the first step; it falls to a twentieth.
        seed: of the draws.

    Returns:
        The loss of each step; none, and nothing changed, for a table without a number to train.
    """
    module = encoder[0]
    if not isinstance(module, WordTableTransformer):
        raise StudyError("Only an encoder with a compressed word table can be recovered.")
    encoder.requires_grad_(False)
    parameters = make_trainable(module.words)
    if not parameters:
        return []
    for parameter in parameters:
        parameter.requires_grad_(True)
    rng = generator(seed, "recover")
    optimizer = torch.optim.Adam(parameters, lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    encoder.eval()
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(texts), (batch,), generator=rng)
        features = batch_to_device(encoder.preprocess([texts[i] for i in rows]), encoder.device)
        vectors = encoder(features)["sentence_embedding"]
        target = torch.from_numpy(teacher[rows.numpy()]).to(vectors.device)
        loss = 1 - nn.functional.cosine_similarity(vectors, target).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses
