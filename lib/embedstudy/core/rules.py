"""What a setting may be: the rules that ``core.schema`` checks values against."""

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Number:
    """A rule: a finite number in [low, high], or in (low, high] when ``above`` is set."""

    low: float = float("-inf")
    high: float = float("inf")
    above: bool = False
    whole: bool = False

    def accepts(self, value: Any) -> bool:
        kinds = int if self.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"{'above' if self.above else 'from'} {self.low:,.12g}" if self.low > -1e300 else ""
        high = (
            f"{'and at most' if low else 'at most'} {self.high:,.12g}" if self.high < 1e300 else ""
        )
        return " ".join(filter(None, (kind, low, high)))


@dataclass(frozen=True)
class Several:
    """A rule: a list of at least one entry that obeys ``rule``, and none of them twice."""

    rule: Any


@dataclass(frozen=True)
class Mapping:
    """A rule: a map from names of the user's choice to values that obey ``rule``.

    ``least``: how many entries it has at least.
    """

    rule: Any
    least: int = 0


COUNT = Number(1, 2**31 - 1, whole=True)
SEED = Number(0, 2**31 - 1, whole=True)
SHARE = Number(0, 1, above=True)
DIM = Number(1, 4096, whole=True)  # numbers of a vector
RESAMPLES = Number(2, 100_000, whole=True)  # of a bootstrap


def setting(rule: Any, default: Any = MISSING, *, factory: Callable[[], Any] = MISSING) -> Any:
    """A field of a settings class whose values obey ``rule`` (see ``core.schema.check``).

    ``factory`` makes the default where it is a list or a map.
    """
    return field(default=default, default_factory=factory, metadata={"rule": rule})
