"""The multilayer perceptron that the deep backbones share, and the backbones' base class."""

from collections.abc import Sequence

from torch import Tensor, nn


class Backbone(nn.Module):
    """Turns the looked-up vectors of one example into the logit of a click.

    ``forward`` takes fp32 vectors [batch, fields, table_dim(dim)] and returns logits [batch]. A
    backbone owns no row of any table: first-order weights, where a model has them, are column 0
    of the vectors, so compressing the table compresses them too and none hides uncounted.
    """

    @classmethod
    def table_dim(cls, dim: int) -> int:
        """Columns that the table must have for an embedding of ``dim`` dimensions."""
        return dim


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int | None, dropout: float, batch_norm: bool
) -> nn.Sequential:
    """[batch, inputs] -> [batch, outputs], or the last hidden layer where ``outputs`` is None.

    A hidden layer is linear, batch norm (if asked for), ReLU, dropout (if above zero), the order
    of the public CTR benchmarks. Xavier normal weights, zero biases.
    """
    layers, width = [], inputs
    for units in hidden:
        layers.append(linear(width, units))
        if batch_norm:
            layers.append(nn.BatchNorm1d(units))
        layers.append(nn.ReLU())
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        width = units
    if outputs is not None:
        layers.append(linear(width, outputs))
    return nn.Sequential(*layers)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, initialised Xavier normal (Glorot and Bengio 2010) with a zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def pairwise_sum(vectors: Tensor) -> Tensor:
    """Sum of the inner products of all pairs of fields: [batch, fields, dim] -> [batch].

    Rendle, "Factorization Machines" (ICDM 2010), lemma 3.1: half of (square of the sum minus sum
    of the squares), linear in the number of fields.
    """
    return 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(-1)
