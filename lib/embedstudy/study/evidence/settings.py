"""The settings of the chapters across all places."""

from dataclasses import dataclass

from embedstudy.core.rules import Number, setting


@dataclass(frozen=True)
class EvidenceSettings:
    """How the frontier and the claims are computed."""

    resamples: int = setting(Number(2, whole=True), 200)  # bootstrap samples of the events
