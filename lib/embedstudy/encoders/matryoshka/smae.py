"""Masked auto-encoding at every size: the pre-training half of Starbucks, in small.

Zhuang et al., "Starbucks: Improved Training for 2D Matryoshka Embeddings", 2024, arXiv:2410.13230,
section 3.2 (SMAE); the decoder is of RetroMAE's kind (Xiao et al., EMNLP 2022), its attention plain.
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from transformers import get_cosine_schedule_with_warmup

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator, seed_everything
from embedstudy.encoders.core.sizes import layers
from embedstudy.encoders.matryoshka.layers import pooled_layers
from embedstudy.encoders.matryoshka.masking import hide, word_masks
from embedstudy.encoders.matryoshka.submodels import Size, check_size

_SHARES = (0.2, 0.4)  # of the pieces, hidden from encoder and decoder, as the authors trained
_WARM_UP = 0.05  # share of the steps


class StarbucksMAE(nn.Module):
    """For every size (n, d), half of a masked-language loss and half of a decoder's, and their mean.

    The hidden pieces are predicted from the first d numbers of block n's output, through one head that
    all sizes share: the first d columns of its dense layer, then the tied word table. The decoder, a
    copy of the first block, sees the text with more words hidden (all of the encoder's among them) and,
    in the place of its first token, the text's vector, through the same columns; from that it predicts
    every piece hidden from it, through the whole head.

    Departures: the vector is the pooled mean that this encoder uses, where the authors take [CLS]; the
    head starts at random, where theirs is BERT's own; a small corpus and few steps, so the outcome says
    a direction, no more.
    """

    def __init__(self, model: SentenceTransformer, sizes: Sequence[Size]):
        super().__init__()
        for size in sizes:
            check_size(model, size)
        self.model, self.sizes = model, [tuple(size) for size in sizes]
        config = model[0].auto_model.config
        self.width = config.hidden_size
        self.dense = nn.Linear(self.width, self.width)
        self.norm = nn.LayerNorm(self.width)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.decoder = copy.deepcopy(layers(model)[0])
        nn.init.normal_(self.dense.weight, std=config.initializer_range)
        nn.init.zeros_(self.dense.bias)

    def forward(self, features: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        """The loss of one batch of tokenised texts; what is hidden is drawn from ``rng``."""
        ids, tokenizer = features["input_ids"], self.model.tokenizer
        few, many = word_masks(ids, tokenizer, _SHARES, rng)
        inputs, targets = hide(ids, few, tokenizer, rng)
        states, pooled = self._encoded({**features, "input_ids": inputs})
        inputs, more = hide(ids, many, tokenizer, rng)
        embedded = self.model[0].auto_model.embeddings(input_ids=inputs)
        attention = features["attention_mask"]
        losses = []
        for depth, dim in self.sizes:
            masked = self._predict(self._head(states[depth - 1][..., :dim], dim), targets)
            first = self._head(pooled[depth - 1][:, :dim], dim)
            seen = torch.cat([first[:, None], embedded[:, 1:]], dim=1)
            decoded = self._head(self._decoded(seen, attention), self.width)
            losses.append((masked + self._predict(decoded, more)) / 2)
        return torch.stack(losses).mean()

    def _encoded(self, features: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Hidden states and pooled vectors of every block."""
        states: list[Tensor] = []
        hooks = [
            block.register_forward_hook(
                lambda _module, _inputs, output: states.append(
                    output[0] if isinstance(output, tuple) else output
                )
            )
            for block in layers(self.model)
        ]
        try:
            pooled = pooled_layers(self.model, features)
        finally:
            for hook in hooks:
                hook.remove()
        return states, pooled

    def _head(self, vectors: Tensor, dim: int) -> Tensor:
        """The shared head's dense layer on the first ``dim`` numbers."""
        turned = F.linear(vectors, self.dense.weight[:, :dim], self.dense.bias)
        return self.norm(F.gelu(turned))

    def _decoded(self, seen: Tensor, attention: Tensor) -> Tensor:
        mask = (1.0 - attention[:, None, None].to(seen.dtype)) * torch.finfo(seen.dtype).min
        output = self.decoder(seen, mask)
        return output[0] if isinstance(output, tuple) else output

    def _predict(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the hidden pieces through the tied word table; 0 where there is none."""
        there = targets != -100
        words = self.model[0].auto_model.embeddings.word_embeddings.weight
        scores = vectors[there] @ words.T + self.bias
        return F.cross_entropy(scores, targets[there], reduction="sum") / there.sum().clamp(min=1)


def pretrain(
    model: SentenceTransformer,
    texts: Sequence[str],
    sizes: Sequence[Size],
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
) -> list[float]:
    """Pre-train ``model`` in place; returns the loss of each step.

    The head and the decoder are thrown away afterwards. AdamW, a twentieth of the steps rising and a
    cosine schedule, as the authors.

    Args:
        model: a BERT-like encoder.
        texts: what is drawn from; fewer than a batch raise ``StudyError``.
        sizes: (layers, dim) pairs, all trained in every step.
        steps: optimiser steps.
        batch: texts a step, drawn with replacement.
        lr: the highest learning rate.
        seed: of texts, masks, dropout and head.
    """
    if len(texts) < batch:
        raise StudyError(f"There are {len(texts)} texts, a batch takes {batch}: use more texts.")
    seed_everything(seed)
    rng = generator(seed, "smae")
    loss = StarbucksMAE(model, sizes)
    optimizer = torch.optim.AdamW(loss.parameters(), lr=lr, weight_decay=0.001, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, round(_WARM_UP * steps), steps)
    loss.train()
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(texts), (batch,), generator=rng).tolist()
        features = model.preprocess([texts[i] for i in rows])
        value = loss(batch_to_device(features, model.device), rng)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    model.eval()
    return losses
