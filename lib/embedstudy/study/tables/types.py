"""A run of the place ``tables`` and how it is trained."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from embedstudy.core.rules import COUNT, SHARE, Number, setting
from embedstudy.study.engine.runs import Run


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters, the same for every method of a chapter."""

    batch: int = setting(COUNT, 1024)  # events a step
    lr: float = setting(Number(0, 10, above=True), 1e-3)  # Adam, tables and backbone alike
    epochs: int = setting(COUNT, 20)  # at most, in each phase of a method
    patience: int = setting(COUNT, 2)  # stop after so many epochs in a row without gain
    monitor: str = setting({"logloss", "auc"}, "logloss")  # what is to gain on validation
    lr_decay: float = setting(SHARE, 1.0)  # factor on the rate after an epoch without gain
    table_l2: float = setting(Number(0), 0.0)  # Adam's coupled weight decay on the table
    clip: float = setting(Number(0), 0.0)  # largest norm of all gradients; 0 switches it off


@dataclass(frozen=True, kw_only=True)
class TableRun(Run):
    """A table of ``method`` within ``budget`` of the fp32 table, under ``backbone``."""

    place: ClassVar[str] = "tables"

    dataset: str  # prepared, below results/prepared
    dim: int = 16  # of the vectors
    init_std: float = 0.01  # of the vectors at the start
    backbone_options: dict[str, Any] = field(default_factory=dict)
    train: TrainConfig = TrainConfig()
