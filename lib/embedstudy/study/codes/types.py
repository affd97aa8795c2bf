"""A run of the place ``codes``."""

from dataclasses import dataclass
from typing import ClassVar

from embedstudy.study.engine.runs import Run

FITTED_ON = ("training", "corpus")
OWN = " (own corpus)"  # ends the label of a codec that is fitted on the corpus it codes


@dataclass(frozen=True, kw_only=True)
class CodecRun(Run):
    """A codec, fitted on training texts or on the corpus that is searched, judged by retrieval."""

    place: ClassVar[str] = "codes"

    dim: int  # of the vectors
    tasks: dict[str, dict[str, int]]
    training: dict[str, int]  # texts of docs and reviews that codecs are fitted on
    fitted_on: str = "training"  # or corpus: the documents of each task, without their queries
