"""The grid of the chapter on the uncompressed encoder: the encoder itself, and BM25 beside it."""

from embedstudy.study.encoder.settings import EncoderSettings
from embedstudy.study.encoder.types import EncoderRun

RETRIEVERS = {"full": "all-MiniLM-L6-v2", "bm25": "BM25"}


def encoder_runs(settings: EncoderSettings) -> list[EncoderRun]:
    """One run a retriever."""
    return [
        EncoderRun(
            backbone="all-MiniLM-L6-v2",
            family="reference",
            method=method,
            label=label,
            budget=1.0,
            seed=0,
            tasks=settings.tasks,
        )
        for method, label in RETRIEVERS.items()
    ]
