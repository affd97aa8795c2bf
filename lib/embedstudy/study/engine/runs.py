"""What a run is: the identity that every place shares.

Each place has a frozen dataclass of its own, with its defaults; all of its fields are JSON-safe, or
dataclasses of such fields.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

_ENGINE = ("device", "shared")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell of a grid: a method within a budget on one backbone, with one seed."""

    place: ClassVar[str]  # tables, encoders or codes

    backbone: str  # the model around what is compressed
    family: str  # of methods
    method: str
    label: str  # the method with its options, as charts show it
    options: dict[str, Any] = field(default_factory=dict)  # of the method
    budget: float  # fraction of the uncompressed bytes
    seed: int
    # Set by the engine, and no part of a run's name.
    device: str = "cpu"
    # Keys, by name, of the trainings that this run shares with others; see ``engine.once``.
    shared: dict[str, str] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """The run as JSON-safe values, without what the engine sets: what names it in files."""
        values = {"place": self.place} | asdict(self)
        return {name: value for name, value in values.items() if name not in _ENGINE}
