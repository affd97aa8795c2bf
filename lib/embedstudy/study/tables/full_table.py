"""The trained full table of a seed: methods that start from it share one training."""

from collections.abc import Callable
from dataclasses import asdict

from embedstudy.study.engine.once import Trained, load_or_train
from embedstudy.study.tables.train import Fit, Uncompressed

_BACKBONE = "backbone."


def full_table(key: str, train: Callable[[], Uncompressed]) -> Uncompressed:
    """What ``train()`` gives, from disk if it was kept under ``key`` before (see ``once``)."""

    def stored() -> Trained:
        trained = train()
        tensors = {_BACKBONE + name: tensor for name, tensor in trained.backbone.items()}
        return tensors | {"weight": trained.weight}, asdict(trained.fit)

    tensors, fit = load_or_train(key, stored)
    backbone = {
        name.removeprefix(_BACKBONE): tensor
        for name, tensor in tensors.items()
        if name.startswith(_BACKBONE)
    }
    return Uncompressed(tensors["weight"], backbone, Fit(**fit))
