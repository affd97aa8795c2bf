"""Logistic regression: one weight an id."""

from torch import Tensor

from embedstudy.backbones.first_order import Shallow


class LogisticRegression(Shallow):
    """logit = b + sum over fields of w. The table holds the weights: one column."""

    @classmethod
    def table_dim(cls, dim: int) -> int:
        return 1

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.sum((1, 2)) + self.bias
