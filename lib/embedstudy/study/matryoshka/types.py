"""A run of the chapter on Matryoshka training."""

from dataclasses import dataclass, field
from typing import ClassVar

from embedstudy.core.rules import COUNT, Number, setting
from embedstudy.study.engine.runs import Run


@dataclass(frozen=True)
class MatryoshkaTraining:
    """How a model is trained: the same for every loss."""

    data: list[str] = field(default_factory=lambda: ["docs"])  # training sets
    steps: int = setting(Number(0, whole=True), 3)
    seconds: float = setting(Number(0), 0)  # above 0: train so long, whatever the steps
    batch: int = setting(Number(2, whole=True), 8)  # pairs a step
    lr: float = setting(Number(0, 1, above=True), 0.0001)
    pairs: int = setting(COUNT, 200)  # training pairs of docs
    principal: int = setting(COUNT, 100)  # documents that PCA is fitted on
    pretrain: int = setting(Number(0, whole=True), 0)  # steps of masked auto-encoding
    map_steps: int = setting(Number(0, whole=True), 0)  # of a linear map on the untrained encoder


@dataclass(frozen=True, kw_only=True)
class MatryoshkaRun(Run):
    """A loss, a seed and one size of the trained model."""

    place: ClassVar[str] = "encoders"

    size: tuple[int, int]  # layers, dimensions: what is judged
    sizes: tuple[tuple[int, int], ...]  # those that the loss trains
    tasks: dict[str, dict[str, int]]
    train: MatryoshkaTraining
    length: int  # tokens that texts are cut to
