"""The settings of the chapters on tables."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, SEED, SHARE, Mapping, Number, setting
from embedstudy.study.tables.types import TrainConfig


@dataclass(frozen=True)
class TableSettings:
    """What a grid of tables crosses, and how its runs are trained. Its defaults are a quick look."""

    datasets: list[str] = setting([str], factory=lambda: ["movielens"])
    backbones: list[str] = setting([str], factory=lambda: ["dcnv2"])
    budgets: list[float] = setting([SHARE], factory=lambda: [0.5, 0.1, 0.01])
    seeds: dict[str, list[int]] = setting(  # of each data set
        Mapping([SEED]), factory=lambda: {"movielens": [0]}
    )
    dim: int = setting(Number(1, 4096, whole=True), 16)  # of the vectors
    init_std: float = setting(Number(0, above=True), 0.01)  # of the vectors at the start
    backbone_options: dict = setting(dict, factory=lambda: {"hidden": [64, 32], "cross_layers": 1})
    train: TrainConfig = TrainConfig(lr=0.004, epochs=3, table_l2=0.001)
    # Of methods, by name; the options of a line of the grid come before them.
    options: dict[str, dict] = setting(Mapping(dict), factory=dict)


@dataclass(frozen=True)
class StartSettings:
    """The one run that the first chapter takes apart."""

    dataset: str = "movielens"
    budget: float = setting(SHARE, 0.1)  # fraction of the fp32 table
    seed: int = setting(SEED, 0)
    dim: int = setting(COUNT, 16)
    epochs: int = setting(COUNT, 4)
