"""A run of the chapter on the word table."""

from dataclasses import dataclass
from typing import ClassVar

from embedstudy.core.rules import COUNT, Number, setting
from embedstudy.study.engine.runs import Run


@dataclass(frozen=True)
class Steps:
    """A training in steps."""

    steps: int = setting(Number(0, whole=True), 20)
    batch: int = setting(COUNT, 512)
    lr: float = setting(Number(0, 1, above=True), 0.005)


@dataclass(frozen=True, kw_only=True)
class WordTableRun(Run):
    """An encoder whose word table is compressed or trimmed, and perhaps distilled afterwards."""

    place: ClassVar[str] = "encoders"

    tasks: dict[str, dict[str, int]]
    domain: dict[str, int]  # training texts that tell how frequent word pieces are
    length: int  # tokens that texts are cut to
    fit: Steps  # of tables that have no closed form
    recovery: Steps  # 0 steps: none
