"""Espresso sentence embeddings: every layer every step, the first numbers taught by a PCA."""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from embedstudy.encoders.matryoshka.layers import pooled_columns
from embedstudy.encoders.matryoshka.losses import divergence
from embedstudy.encoders.matryoshka.submodels import check_size


class EspressoLoss(nn.Module):
    """L(z) + L(z[:k]) + D(z[:k], PCA_k(z)) on the last layer, and on each shallow block n, from 1,
    [ L(z_n[:k]) + D(z_n[:k], PCA_k(z_n)) ] / (1 + ln n), averaged over the L - 1 shallow blocks.

    PCA_k(z) = z U_k S_k, from the k largest singular values of softmax(z^T z / sqrt(D)), without
    gradient. D is the mean squared error plus the KL divergence of softmaxes over the numbers.

    Args:
        model, loss: as for ``PairsLoss``.
        k: width of the compressed vectors; 128 in the authors' recipe.
        released: number the layers as the authors' code does. It counts from the embedding layer: that
            one has weight 1, block n has 1 / (1 + ln(1 + n)), and of the L - 1 layers so counted the
            last is block L - 2, so block L - 1 is not trained at all. The default is the paper's
            equation 2.

    Departure: the decomposition is an exact one where the authors draw a randomised low-rank one.

    References:
        - Li et al., "ESE: Espresso Sentence Embeddings", ICLR 2025, arXiv:2402.14776v2; AnglE 0.4.0
          to 0.6.1, ``AngleESETrainer``

    Inputs: what the base loss takes.

    Relations: ``PairsLoss`` aligns shallow layers with the last one instead of with their own PCA.
    """

    def __init__(
        self, model: SentenceTransformer, loss: nn.Module, k: int, *, released: bool = False
    ):
        super().__init__()
        check_size(model, (1, k))
        self.model, self.loss, self.k, self.released = model, loss, k, released

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        columns = pooled_columns(
            self.model, sentence_features, embedding_layer=self.released
        )  # either way the first layer's weight is 1
        full = [layers[-1] for layers in columns]
        total = self.loss.compute_loss_from_embeddings(full, labels) + self._compressed(
            full, labels
        )
        shallow = range(len(columns[0]) - (2 if self.released else 1))
        for i in shallow:
            part = self._compressed([layers[i] for layers in columns], labels)
            total = total + part / (1 + math.log(1 + i)) / len(shallow)
        return total

    def _compressed(self, vectors: list[Tensor], labels: Tensor) -> Tensor:
        """The base loss of the first k numbers, and their distance to the principal components."""
        first = [one[:, : self.k] for one in vectors]
        together = torch.cat(vectors)
        target, narrow = principal(together, self.k), torch.cat(first)
        distance = F.mse_loss(narrow, target) + divergence(narrow, target)
        return self.loss.compute_loss_from_embeddings(first, labels) + distance


@torch.no_grad()
def principal(vectors: Tensor, k: int) -> Tensor:
    """PCA_k of ``EspressoLoss``: [n, D] -> [n, k]."""
    alike = F.softmax(vectors.T @ vectors / vectors.shape[1] ** 0.5, dim=-1)
    left, values, _ = torch.linalg.svd(alike)
    return vectors @ (left[:, :k] * values[:k])
