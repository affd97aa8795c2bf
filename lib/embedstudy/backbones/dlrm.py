"""DLRM (Naumov et al., arXiv 1906.00091): inner products of all pairs of fields, then an MLP."""

from collections.abc import Sequence

import torch
from torch import Tensor

from embedstudy.backbones.mlp import Backbone, mlp
from embedstudy.core.errors import StudyError

INTERACTIONS = ("dot", "cat")


class DLRM(Backbone):
    """logit = MLP([<v_i, v_j> for i < j]).

    All features here are categorical, so there is no bottom MLP and none of its output beside the
    products. ``interaction="cat"`` feeds the vectors themselves instead of their products: the
    setting behind the published Frappe figure, a plain deep network in truth.
    """

    def __init__(
        self,
        fields: int,
        dim: int,
        *,
        hidden: Sequence[int] = (400, 400, 400),
        dropout: float = 0.0,
        batch_norm: bool = False,
        interaction: str = "dot",
    ):
        super().__init__()
        if interaction not in INTERACTIONS:
            raise StudyError(
                f"DLRM has the interactions {', '.join(INTERACTIONS)}, not {interaction!r}."
            )
        self.interaction = interaction
        first, second = torch.triu_indices(fields, fields, 1, device="cpu")
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        inputs = len(first) if interaction == "dot" else fields * dim
        self.top = mlp(inputs, hidden, 1, dropout, batch_norm)

    def interact(self, vectors: Tensor) -> Tensor:
        """[batch, fields, dim] -> [batch, fields * (fields - 1) / 2], pairs in row order."""
        return torch.bmm(vectors, vectors.mT)[:, self.first, self.second]

    def forward(self, vectors: Tensor) -> Tensor:
        joined = self.interact(vectors) if self.interaction == "dot" else vectors.flatten(1)
        return self.top(joined).squeeze(1)
