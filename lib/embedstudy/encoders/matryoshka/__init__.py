"""One encoder, many sizes: losses that train its first layers and dimensions, and its sub-models."""

from embedstudy.encoders.matryoshka.ese import EspressoLoss
from embedstudy.encoders.matryoshka.losses import (
    OldMatryoshka2dLoss,
    PairsLoss,
    RandomPairsLoss,
    StarbucksLoss,
)
from embedstudy.encoders.matryoshka.submodels import Size, sub_model
from embedstudy.encoders.matryoshka.training import train

__all__ = [
    "EspressoLoss",
    "OldMatryoshka2dLoss",
    "PairsLoss",
    "RandomPairsLoss",
    "Size",
    "StarbucksLoss",
    "sub_model",
    "train",
]
