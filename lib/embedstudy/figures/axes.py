"""What stands on the axes of a chart of quality against bytes, in each place of the study."""

from dataclasses import dataclass, replace

from embedstudy.measure.units import AUC, POINTS, Quality


@dataclass(frozen=True)
class Axes:
    """The quality on the y-axis and what the bytes on the x-axis are bytes of.

    ``slack``: files whose sizes differ by less than this share count as equally large on the front;
    none where most of a file, as an encoder's layers, is the same for all methods.
    """

    quality: Quality
    bytes: str
    slack: float = 0.05

    @property
    def bytes_title(self) -> str:
        """'bytes of the served file (log scale)'."""
        return f"bytes of {self.bytes} (log scale)"

    @property
    def tick(self) -> str:
        """The format of a tick of quality: one digit fewer than a figure has."""
        return f".{max(0, self.quality.digits - 1)}f"

    @property
    def number(self) -> str:
        """The format of a figure of quality."""
        return f".{self.quality.digits}f"


TABLES = Axes(AUC, "the served file")
ENCODERS = Axes(POINTS, "the encoder on disk", slack=0.0)
CODES = Axes(replace(POINTS, title="nDCG@10 × 100"), "a vector, codebooks shared by a million")
