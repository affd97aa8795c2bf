"""The settings of the chapter on the uncompressed encoder."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, RESAMPLES, Mapping, setting

LIMITS = {"queries": COUNT, "documents": COUNT}
TASKS = Mapping(LIMITS, least=1)  # task -> its limits


def few_tasks() -> dict[str, dict[str, int]]:
    """Small retrieval tasks for a quick look."""
    return {"docs": {"queries": 100, "documents": 200}, "reviews": {"documents": 200}}


@dataclass(frozen=True)
class EncoderSettings:
    """What the encoder is judged on. The defaults are a quick look."""

    tasks: dict[str, dict[str, int]] = setting(TASKS, factory=few_tasks)
    resamples: int = setting(RESAMPLES, 200)
