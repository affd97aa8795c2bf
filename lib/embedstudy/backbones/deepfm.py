"""DeepFM: a factorization machine and a deep network on the same vectors.

Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction" (IJCAI 2017),
equations 1 to 4.
"""

from torch import Tensor

from embedstudy.backbones.first_order import WideAndDeep
from embedstudy.backbones.mlp import pairwise_sum


class DeepFM(WideAndDeep):
    """logit = FM(w, v) + MLP([v_1 ... v_F]). Column 0 of the table is w, the others v."""

    def forward(self, vectors: Tensor) -> Tensor:
        latent = vectors[..., 1:]
        wide = vectors[..., 0].sum(1) + pairwise_sum(latent)
        return wide + self.deep(latent.flatten(1)).squeeze(1)
