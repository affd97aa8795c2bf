"""A run of the chapter on the uncompressed encoder."""

from dataclasses import dataclass
from typing import ClassVar

from embedstudy.study.engine.runs import Run


@dataclass(frozen=True, kw_only=True)
class EncoderRun(Run):
    """A retriever judged on tasks: ``full`` is the encoder, ``bm25`` needs none."""

    place: ClassVar[str] = "encoders"

    tasks: dict[str, dict[str, int]]
