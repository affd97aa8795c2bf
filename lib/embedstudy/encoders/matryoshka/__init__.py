"""One encoder, many sizes: losses that train its first layers and dimensions, and its sub-models."""

from embedstudy.encoders.matryoshka.drawn import (
    AngleMatryoshka2dLoss,
    BlocksMatryoshka2dLoss,
    OldMatryoshka2dLoss,
)
from embedstudy.encoders.matryoshka.ese import EspressoLoss
from embedstudy.encoders.matryoshka.losses import PairsLoss, RandomPairsLoss, StarbucksLoss
from embedstudy.encoders.matryoshka.maps import trained_axes
from embedstudy.encoders.matryoshka.smae import StarbucksMAE, pretrain
from embedstudy.encoders.matryoshka.submodels import Size, sub_model
from embedstudy.encoders.matryoshka.training import TrainingSet, train

__all__ = [
    "AngleMatryoshka2dLoss",
    "BlocksMatryoshka2dLoss",
    "EspressoLoss",
    "OldMatryoshka2dLoss",
    "PairsLoss",
    "RandomPairsLoss",
    "Size",
    "StarbucksLoss",
    "StarbucksMAE",
    "TrainingSet",
    "pretrain",
    "sub_model",
    "train",
    "trained_axes",
]
