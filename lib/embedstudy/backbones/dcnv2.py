"""DCN-v2: explicit feature crosses beside a deep network.

Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to
Rank Systems" (WWW 2021), equation 1 (full-rank crosses) and section 3.3 (both structures).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embedstudy.backbones.mlp import Backbone, linear, mlp
from embedstudy.core.errors import StudyError

STRUCTURES = ("parallel", "stacked")


class DCNv2(Backbone):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l with x_0 = [v_1 ... v_F], then one linear unit.

    ``structure``: "parallel" joins the last cross layer and an MLP on x_0 (the setting of the
    public Frappe benchmark), "stacked" puts the MLP on top of the crosses.
    """

    def __init__(
        self,
        fields: int,
        dim: int,
        *,
        hidden: Sequence[int] = (400, 400, 400),
        dropout: float = 0.0,
        batch_norm: bool = False,
        cross_layers: int = 3,
        structure: str = "parallel",
    ):
        super().__init__()
        if structure not in STRUCTURES:
            raise StudyError(
                f"DCN-v2 has the structures {', '.join(STRUCTURES)}, not {structure!r}."
            )
        width = fields * dim
        self.structure = structure
        self.crosses = nn.ModuleList(linear(width, width) for _ in range(cross_layers))
        self.deep = mlp(width, hidden, None, dropout, batch_norm)
        deep_width = hidden[-1] if hidden else width
        self.output = linear(deep_width + width * (structure == "parallel"), 1)

    def cross(self, first: Tensor) -> Tensor:
        """The cross network: [batch, fields * dim] -> [batch, fields * dim]."""
        crossed = first
        for layer in self.crosses:
            crossed = torch.addcmul(crossed, first, layer(crossed))
        return crossed

    def forward(self, vectors: Tensor) -> Tensor:
        first = vectors.flatten(1)
        if self.structure == "parallel":
            joined = torch.cat([self.cross(first), self.deep(first)], 1)
        else:
            joined = self.deep(self.cross(first))
        return self.output(joined).squeeze(1)
