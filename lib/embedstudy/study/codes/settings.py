"""The settings of the chapters on vector codes."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, SEED, Mapping, Number, setting
from embedstudy.study.encoder.settings import TASKS, few_tasks


@dataclass(frozen=True)
class CodesSettings:
    """Sizes and tasks of a grid of codecs. The defaults are a quick look."""

    tasks: dict[str, dict[str, int]] = setting(TASKS, factory=few_tasks)
    training: dict[str, int] = setting(  # texts that codecs are fitted on
        Mapping(COUNT), factory=lambda: {"docs": 400, "reviews": 400}
    )
    sizes: list[int] = setting([COUNT], factory=lambda: [384, 48])  # bytes a vector
    seeds: list[int] = setting([SEED], factory=lambda: [0])
    resamples: int = setting(Number(2, whole=True), 200)
