"""Wide & Deep (Cheng et al., DLRS 2016, equation 3), without hand-made cross features."""

from torch import Tensor

from embedstudy.backbones.first_order import WideAndDeep


class WideDeep(WideAndDeep):
    """logit = sum of w_i + MLP([v_1 ... v_F]). Column 0 of the table is w, the others v.

    The paper's wide part also sees hand-made products of features; as in the public benchmarks,
    there are none here.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors[..., 0].sum(1) + self.deep(vectors[..., 1:].flatten(1)).squeeze(1)
