"""Factorization machine of second order (Rendle, ICDM 2010, equation 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embedstudy.backbones.mlp import Backbone, pairwise_sum


class FactorizationMachine(Backbone):
    """logit = b + sum of w_i + sum over pairs i < j of <v_i, v_j>.

    Column 0 of the table is w, the others v. ``hidden``, ``dropout`` and ``batch_norm`` are
    accepted so that every backbone is built alike; there is no layer for them to act on.
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
        return dim + 1

    def forward(self, vectors: Tensor) -> Tensor:
        return self.bias + vectors[..., 0].sum(1) + pairwise_sum(vectors[..., 1:])
