"""Losses over pairs of a depth and a width, in the interface of sentence-transformers' losses.

All sizes of a step come from one pass: a block's output is pooled, and a width is its first numbers.
"""

import random
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.encoders.matryoshka.layers import pooled_columns
from embedstudy.encoders.matryoshka.submodels import Size, check_size

KINDS = ("dims", "scores", "none")


class PairsLoss(nn.Module):
    """The base loss on the full model and on sub-models, each drawn towards the full model.

    total = L(full) + reduce_{(n, d)} [ L(e_n[:d]) + kl_weight * KL(e_L[:d] || e_n[:d]) ]

    With every depth and every width and ``reduce="mean"`` this is "2DMSE over all pairs": a plain mean
    over them, each aligned with the full model at its own width. It is not the expectation of the
    paper's four losses, which weighs the last layer and the full width more and aligns whole vectors:
    that is ``AngleMatryoshka2dLoss``, which draws.

    Args:
        model: the encoder; its modules are a transformer, pooling, and perhaps normalisation.
        loss: a loss that has ``compute_loss_from_embeddings``, such as MultipleNegativesRankingLoss or
            CoSENTLoss.
        sizes: the sub-models' (layers, dim) pairs; the full model is always trained besides.
        kl_weight: weight of the term that aligns a sub-model with the full model.
        kl: between what: ``dims``, softmaxes over the numbers of a vector; ``scores``, softmaxes of each
            anchor over the batch's positives, of cosines times 20; ``none``.
        detach: whether the full model is a fixed teacher in that term.
        reduce: ``sum`` or ``mean`` over the sub-models.

    References:
        - 2D Matryoshka: Li et al., 2024, arXiv:2402.14776
        - Starbucks: Zhuang et al., 2024, arXiv:2410.13230

    Inputs:
        +-----------------------------------------------+--------+
        | Texts                                         | Labels |
        +===============================================+========+
        | what the base loss takes                      | its    |
        +-----------------------------------------------+--------+

    Relations:
        ``StarbucksLoss`` and ``RandomPairsLoss`` are special cases; ``Matryoshka2dLoss`` of the library
        and those of ``drawn`` draw one depth a step.

    Example:
        >>> from sentence_transformers import SentenceTransformer
        >>> from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        >>> model = SentenceTransformer("all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> loss = PairsLoss(model, MultipleNegativesRankingLoss(model), [(2, 96)])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        sizes: Sequence[Size],
        *,
        kl_weight: float = 1.0,
        kl: str = "dims",
        detach: bool = True,
        reduce: str = "mean",
    ):
        super().__init__()
        if not hasattr(loss, "compute_loss_from_embeddings"):
            raise StudyError(
                f"{type(loss).__name__} cannot be computed from vectors: use a loss that has "
                "compute_loss_from_embeddings."
            )
        if kl not in KINDS or reduce not in ("sum", "mean"):
            raise StudyError(
                f"kl is {kl!r} and reduce {reduce!r}: kl must be one of {', '.join(KINDS)}, reduce "
                "sum or mean."
            )
        for size in sizes:
            check_size(model, size)
        self.model, self.loss, self.sizes = model, loss, list(sizes)
        self.kl_weight, self.kl, self.detach, self.reduce = kl_weight, kl, detach, reduce

    def chosen(self) -> list[Size]:
        """The sub-models of this step: all of them."""
        return self.sizes

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        columns = pooled_columns(self.model, sentence_features)
        full = [layers[-1] for layers in columns]
        total = self.loss.compute_loss_from_embeddings(full, labels)
        parts = []
        for depth, dim in self.chosen():
            student = [layers[depth - 1][:, :dim] for layers in columns]
            part = self.loss.compute_loss_from_embeddings(student, labels)
            parts.append(part + self.kl_weight * self._alignment(student, full))
        if parts:
            total = total + getattr(torch.stack(parts), self.reduce)()
        return total

    def _alignment(self, student: list[Tensor], full: list[Tensor]) -> Tensor | float:
        if self.kl == "none" or self.kl_weight == 0:
            return 0.0
        teacher = [one.detach() if self.detach else one for one in full]
        if self.kl == "scores":
            return divergence(_scores(student), _scores(teacher))
        width = student[0].shape[1]
        sliced = torch.cat([one[:, :width] for one in teacher])
        return divergence(torch.cat(student), sliced)

    def get_config_dict(self) -> dict:
        """What the model card says of this loss."""
        names = ("sizes", "kl_weight", "kl", "detach", "reduce")
        return {"loss": type(self.loss).__name__} | {name: getattr(self, name) for name in names}


class StarbucksLoss(PairsLoss):
    """SRL: a fixed diagonal of sizes, all of them in every step, each aligned with the full model.

    L(full) + sum over the diagonal of [ L(e_n[:d]) + 0.3 w KL ], as the authors' code for sentence
    similarity has it: the KL is between softmaxes over the numbers of a vector, and 0.3 multiplies it.
    ``released=True`` leaves the teacher in the gradient, as that code does; the default detaches it. For
    retrieval the authors compare scores over the batch instead: ``kl="scores"``.

    The KL acts on pooled vectors before any normalisation, as in that code, whose encoder ends with
    pooling. Over so many numbers a softmax is nearly flat, so the term does next to nothing: at the start
    on all-MiniLM-L6-v2, 0.3 KL is below a hundredth of a size's base loss, and a twentieth of that again
    if the vectors are normalised first. Chapter 21 has ``kl="none"`` beside it.

    Source: Zhuang et al., "Starbucks: Improved Training for 2D Matryoshka Embeddings", 2024,
    arXiv:2410.13230, section 3.1; ielab/Starbucks. Arguments, inputs and relations: ``PairsLoss``.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        sizes: Sequence[Size],
        *,
        kl_weight: float = 1.0,
        kl: str = "dims",
        released: bool = False,
    ):
        super().__init__(
            model, loss, sizes, kl_weight=0.3 * kl_weight, kl=kl, detach=not released, reduce="sum"
        )


class RandomPairsLoss(PairsLoss):
    """A sub-model drawn at random from ``sizes`` in each step: what a fixed diagonal is compared with.

    Drawn by ``random``, as the library's losses draw. Arguments, inputs and relations: ``PairsLoss``.
    """

    def chosen(self) -> list[Size]:
        return [random.choice(self.sizes)]


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(teacher) || softmax(student)) over the last dimension, mean over rows, in nats."""
    return F.kl_div(
        F.log_softmax(student, dim=-1), F.softmax(teacher, dim=-1), reduction="batchmean"
    )


def _scores(columns: list[Tensor], scale: float = 20.0) -> Tensor:
    """Cosines times ``scale`` of each anchor with all other columns' vectors: [B, B * (columns - 1)]."""
    anchors, others = F.normalize(columns[0], dim=-1), F.normalize(torch.cat(columns[1:]), dim=-1)
    return scale * anchors @ others.T
