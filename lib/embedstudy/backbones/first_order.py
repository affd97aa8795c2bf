"""What the models share that keep first-order weights in column 0 of the table."""

from collections.abc import Sequence

import torch
from torch import nn

from embedstudy.backbones.mlp import Backbone, mlp


class Shallow(Backbone):
    """A bias and no layer.

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


class WideAndDeep(Backbone):
    """An MLP on the vectors behind column 0; the bias is that of its last layer."""

    def __init__(
        self,
        fields: int,
        dim: int,
        *,
        hidden: Sequence[int] = (400, 400, 400),
        dropout: float = 0.0,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.deep = mlp(fields * dim, hidden, 1, dropout, batch_norm)

    @classmethod
    def table_dim(cls, dim: int) -> int:
        return dim + 1
