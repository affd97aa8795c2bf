"""The settings of the chapters on tables."""

from dataclasses import dataclass

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT, DIM, SEED, SHARE, Mapping, Number, Several, setting
from embedstudy.study.tables.types import TrainConfig


@dataclass(frozen=True)
class TableSettings:
    """What a grid of tables crosses, and how its runs are trained. Its defaults are a quick look."""

    datasets: list[str] = setting(Several(str), factory=lambda: ["movielens"])
    backbones: list[str] = setting(Several(str), factory=lambda: ["dcnv2"])
    budgets: list[float] = setting(Several(SHARE), factory=lambda: [0.5, 0.1, 0.01])
    seeds: dict[str, list[int]] = setting(  # of each data set
        Mapping(Several(SEED)), factory=lambda: {"movielens": [0]}
    )
    dim: int = setting(DIM, 16)  # of the vectors
    init_std: float = setting(Number(0, 1000, above=True), 0.01)  # of the vectors at the start
    backbone_options: dict = setting(dict, factory=lambda: {"hidden": [64, 32], "cross_layers": 1})
    train: TrainConfig = TrainConfig(lr=0.004, epochs=3, table_l2=0.001)
    # Of methods, by name; the options of a line of the grid come before them.
    options: dict[str, dict] = setting(Mapping(dict), factory=dict)

    def __post_init__(self) -> None:
        for dataset in self.datasets:
            if dataset not in self.seeds:
                raise StudyError(f"seeds has none for the data set '{dataset}': give it one.")


@dataclass(frozen=True)
class StartSettings:
    """The one run that the first chapter takes apart."""

    dataset: str = "movielens"
    budget: float = setting(SHARE, 0.1)  # fraction of the fp32 table
    seed: int = setting(SEED, 0)
    dim: int = setting(DIM, 16)
    epochs: int = setting(COUNT, 4)
