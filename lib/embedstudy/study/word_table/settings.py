"""The settings of the chapter on the word table."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, RESAMPLES, SEED, Mapping, Several, setting
from embedstudy.study.encoder.settings import TASKS
from embedstudy.study.word_table.types import Steps


@dataclass(frozen=True)
class WordTableSettings:
    """Tasks, domain and training. The defaults are a quick look."""

    tasks: dict[str, dict[str, int]] = setting(
        TASKS,
        factory=lambda: {"docs": {"queries": 50, "documents": 100}, "reviews": {"documents": 100}},
    )
    domain: dict[str, int] = setting(Mapping(COUNT), factory=lambda: {"docs": 300, "reviews": 300})
    length: int = setting(COUNT, 24)
    fit: Steps = Steps()
    recovery: Steps = Steps(steps=5, batch=8, lr=0.003)
    seeds: list[int] = setting(Several(SEED), factory=lambda: [0])
    resamples: int = setting(RESAMPLES, 200)
