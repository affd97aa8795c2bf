"""Factorization machine of second order (Rendle, ICDM 2010, equation 1)."""

from torch import Tensor

from embedstudy.backbones.first_order import Shallow
from embedstudy.backbones.mlp import pairwise_sum


class FactorizationMachine(Shallow):
    """logit = b + sum of w_i + sum over pairs i < j of <v_i, v_j>.

    Column 0 of the table is w, the others v.
    """

    @classmethod
    def table_dim(cls, dim: int) -> int:
        return dim + 1

    def forward(self, vectors: Tensor) -> Tensor:
        return self.bias + vectors[..., 0].sum(1) + pairwise_sum(vectors[..., 1:])
