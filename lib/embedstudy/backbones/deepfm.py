"""DeepFM: a factorization machine and a deep network on the same vectors.

Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction" (IJCAI 2017),
equations 1 to 4.
"""

from collections.abc import Sequence

from torch import Tensor

from embedstudy.backbones.mlp import Backbone, mlp, pairwise_sum


class DeepFM(Backbone):
    """logit = FM(w, v) + MLP([v_1 ... v_F]); the bias is that of the MLP's last layer.

    Column 0 of the table is w, the others v.
    """

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

    def forward(self, vectors: Tensor) -> Tensor:
        latent = vectors[..., 1:]
        wide = vectors[..., 0].sum(1) + pairwise_sum(latent)
        return wide + self.deep(latent.flatten(1)).squeeze(1)
