"""A run of the place ``codes``."""

from dataclasses import dataclass
from typing import ClassVar

from embedstudy.study.engine.runs import Run


@dataclass(frozen=True, kw_only=True)
class CodecRun(Run):
    """A codec, fitted on training texts and judged by retrieval."""

    place: ClassVar[str] = "codes"

    dim: int  # of the vectors
    tasks: dict[str, dict[str, int]]
    training: dict[str, int]  # texts of docs and reviews that codecs are fitted on
