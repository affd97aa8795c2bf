"""2D Matryoshka as it is and was released: a layer and a width drawn at random in each step.

The present loss of sentence-transformers is used from there (``Matryoshka2dLoss``). Here are that loss
without the one layer that no sub-model ends at, its older versions, and the code of the paper's authors.
"""

import random
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.encoders.matryoshka.layers import finished, pooled_columns
from embedstudy.encoders.matryoshka.losses import divergence
from embedstudy.encoders.matryoshka.submodels import check_size

# Version of the library -> whether its draws include the embedding layer.
OLD_VERSIONS = {"5.1.2": False, "5.6.1": True}


class BlocksMatryoshka2dLoss(nn.Module):
    """``Matryoshka2dLoss`` of sentence-transformers 5.7.0 to 6.2.0, drawing blocks only.

    L(e_L[:c]) + w_n L(e_n[:d]) + T KL(softmax(e_L / T) || softmax(e_n / T)),    T = 0.3, w_n = 1

    with a layer n, and the widths c and d, drawn in each step. The KL is between the numbers of whole
    vectors, as the model's last module gives them, and e_L is detached in it. The library draws n from
    0 .. L - 1, where 0 is the output of the embedding layer, which no sub-model ends at; here n is a
    block, 1 .. L - 1. Numbers are drawn by ``random``, in the order in which the library draws.

    Args:
        model: the encoder; its modules are a transformer, pooling, and perhaps normalisation.
        loss: a loss that has ``compute_loss_from_embeddings``.
        dims: the widths to draw from, the full one among them.

    Inputs: what the base loss takes.

    Relations: ``OldMatryoshka2dLoss`` is the library's own until July 2026; ``PairsLoss`` takes every
    pair in every step.

    Source: Li et al., 2024, arXiv:2402.14776; the library's ``AdaptiveLayerLoss``.
    """

    _TEMPERATURE = 0.3

    def __init__(self, model: SentenceTransformer, loss: nn.Module, dims: Sequence[int]):
        super().__init__()
        for dim in dims:
            check_size(model, (1, dim))
        self.model, self.loss, self.dims = model, loss, sorted(dims, reverse=True)
        self.embedding_layer, self.detach = False, True

    def weight(self, layer: int) -> float:
        """The weight of the base loss at a layer."""
        return 1.0

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        columns = [
            [finished(self.model, one) for one in layers]
            for layers in pooled_columns(self.model, sentence_features, embedding_layer=True)
        ]
        last = len(columns[0]) - 1
        full = [layers[last] for layers in columns]
        total = self._at_random_width(full, labels)
        lower = range(0 if self.embedding_layer else 1, last)
        if not lower:
            return total
        layer = random.choice(lower)
        student = [layers[layer] for layers in columns]
        total = total + self.weight(layer) * self._at_random_width(student, labels)
        return total + self._TEMPERATURE * self._alignment(student, full)

    def _at_random_width(self, vectors: list[Tensor], labels: Tensor) -> Tensor:
        dim = random.choice(self.dims)
        cut = [F.normalize(one[:, :dim], dim=-1) for one in vectors]
        return self.loss.compute_loss_from_embeddings(cut, labels)

    def _alignment(self, student: list[Tensor], full: list[Tensor]) -> Tensor:
        teacher = torch.cat(full).detach() if self.detach else torch.cat(full)
        return divergence(torch.cat(student) / self._TEMPERATURE, teacher / self._TEMPERATURE)


class OldMatryoshka2dLoss(BlocksMatryoshka2dLoss):
    """``Matryoshka2dLoss`` as sentence-transformers had it until 5.6.1 (July 2026).

    As the present one, but w_n falls with the depth and e_L is not detached.

    Args:
        version: ``5.1.2`` (the same since 2.5.0): n is a block and w_n = 1 / n, as in the authors'
            code. ``5.6.1`` (since 5.2.0): n may be the embedding layer, 0, and w_n = 1 / (1 + n): the
            index had moved by one when the loss was mended for another reason.

    Further arguments and inputs: ``BlocksMatryoshka2dLoss``.

    Source: the library's tags; its issue 3757 and pull requests 3560, 3880 and 3901.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        dims: Sequence[int],
        *,
        version: str = "5.1.2",
    ):
        super().__init__(model, loss, dims)
        if version not in OLD_VERSIONS:
            raise StudyError(
                f"There is no old Matryoshka2dLoss {version!r}: choose {' or '.join(OLD_VERSIONS)}."
            )
        self.embedding_layer, self.detach = OLD_VERSIONS[version], False

    def weight(self, layer: int) -> float:
        """1 / (1 + index among the layers that may be drawn)."""
        return 1.0 / (1 + layer) if self.embedding_layer else 1.0 / layer


class AngleMatryoshka2dLoss(nn.Module):
    """2D Matryoshka as its authors trained it: four losses in each step, and the KL of whole vectors.

    L(e_L) + w_n L(e_n) + KL(e_L || e_n) + L(e_L[:d]) + w_n L(e_n[:d])

    with a block n of 1 .. L - 1 and a width d drawn in each step: unlike in the library's loss, the
    full model and the full width are trained in all of them, and one width serves both layers. KL is
    between softmaxes over the numbers of pooled, not normalised vectors, its teacher not detached.

    Args:
        model, loss: as for ``PairsLoss``.
        dims: the widths to draw from, the full one not among them (the authors': 8, 16, 32, ...).
        weighted: w_n = 1 / n, as AnglE 0.3.8 to 0.3.10 have it; else 1, as in the paper and 0.3.7.

    Departure: the base loss is any, where the authors add AnglE's angle and cosine losses.

    Source: Li et al., 2024, arXiv:2402.14776v1, section 3; SeanLee97/AnglE, ``AngleTDMSETrainer``.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        dims: Sequence[int],
        *,
        weighted: bool = True,
    ):
        super().__init__()
        for dim in dims:
            check_size(model, (1, dim))
        self.model, self.loss, self.dims = model, loss, list(dims)
        self.weighted = weighted

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        columns = pooled_columns(self.model, sentence_features)
        depth = random.randrange(1, len(columns[0]))
        dim = random.choice(self.dims)
        full = [layers[-1] for layers in columns]
        student = [layers[depth - 1] for layers in columns]
        weight = 1 / depth if self.weighted else 1.0
        total = divergence(torch.cat(student), torch.cat(full))
        for vectors, share in ((full, 1.0), (student, weight)):
            for cut in (vectors, [one[:, :dim] for one in vectors]):
                total = total + share * self.loss.compute_loss_from_embeddings(cut, labels)
        return total
