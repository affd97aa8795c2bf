"""Logistic regression: one weight an id."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embedstudy.backbones.mlp import Backbone


class LogisticRegression(Backbone):
    """logit = b + sum over fields of w. The table holds the weights: one column.

    ``hidden``, ``dropout`` and ``batch_norm`` are accepted so that every backbone is built alike;
    there is no layer for them to act on.
    """

    def __init__(
        self,
        fields: int,
        dim: int,
        *,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    @classmethod
    def table_dim(cls, dim: int) -> int:
        return 1

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.sum((1, 2)) + self.bias
