"""Wide & Deep (Cheng et al., DLRS 2016, equation 3), without hand-made cross features."""

from collections.abc import Sequence

from torch import Tensor

from embedstudy.backbones.mlp import Backbone, mlp


class WideDeep(Backbone):
    """logit = sum of w_i + MLP([v_1 ... v_F]); the bias is that of the MLP's last layer.

    Column 0 of the table is w, the others v. The paper's wide part also sees hand-made products of
    features; as in the public benchmarks, there are none here.
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
        return vectors[..., 0].sum(1) + self.deep(vectors[..., 1:].flatten(1)).squeeze(1)
