"""The settings of the chapter on Matryoshka training."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, RESAMPLES, SEED, Several, setting
from embedstudy.study.encoder.settings import TASKS
from embedstudy.study.matryoshka.types import MatryoshkaTraining

_SIZES = [[1, 48], [2, 96], [3, 128], [4, 192], [5, 256], [6, 384]]


@dataclass(frozen=True)
class MatryoshkaSettings:
    """Sizes, tasks and training. The defaults are a quick look."""

    tasks: dict[str, dict[str, int]] = setting(
        TASKS, factory=lambda: {"docs": {"queries": 50, "documents": 100}}
    )
    sizes: list[list[int]] = setting(
        Several([COUNT]), factory=lambda: [list(s) for s in _SIZES]
    )  # trained
    judged: list[list[int]] = setting(Several([COUNT]), factory=lambda: [[2, 96], [6, 384]])
    seeds: list[int] = setting(Several(SEED), factory=lambda: [0])
    train: MatryoshkaTraining = MatryoshkaTraining()
    length: int = setting(COUNT, 24)  # tokens that texts are cut to
    resamples: int = setting(RESAMPLES, 200)
