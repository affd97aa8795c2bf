"""The settings of the chapters across all places."""

from dataclasses import dataclass

from embedstudy.core.rules import RESAMPLES, setting


@dataclass(frozen=True)
class EvidenceSettings:
    """How the frontier and the claims are computed."""

    resamples: int = setting(RESAMPLES, 200)  # bootstrap samples of the events
