"""How a grid shows where it is: a bar for people at a screen, lines for logs."""

import os
import sys
import time
from fractions import Fraction

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 60  # a sign of life while no run finishes


def describe(run: dict) -> str:
    """A run in a few words: ``movielens dcnv2 QR (mul) 1/10 seed 0``."""
    words = [run.get("dataset"), run.get("backbone"), run.get("label") or run.get("method")]
    if "budget" in run:
        words.append(budget_text(run["budget"]))
    if "seed" in run:
        words.append(f"seed {run['seed']}")
    return " ".join(str(word) for word in words if word) or "run"


def budget_text(budget: object) -> str:
    """A budget as a fraction where it is a plain one: 0.1 -> 1/10, 0.75 -> 3/4, 0.6891 -> 0.6891."""
    if not isinstance(budget, float):
        return str(budget)
    fraction = Fraction(budget).limit_denominator(10_000)
    plain = fraction.numerator == 1 or fraction.denominator <= 20
    return str(fraction) if fraction and plain else f"{budget:.4g}"


def remaining(seconds: float) -> str:
    """
    >>> remaining(42), remaining(400), remaining(9000)
    ('42 s left', '7 min left', '2.5 h left')
    """
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


class Progress:
    """State of a grid: ``total`` runs, ``done`` of them finished, the others going or waiting."""

    def __init__(self, runs: list[dict], done: int):
        self.names = [describe(run) for run in runs]
        self.total = len(runs)
        self.before = self.done = done
        self.going: dict[int, tuple[float, str]] = {}
        self.started = time.monotonic()

    def update(self, index: int, fraction: float, words: str) -> None:
        self.going[index] = (fraction, words)
        self.show()

    def finish(self, index: int, status: str, error: str | None) -> None:
        words = self.going.pop(index, (1.0, ""))[1]
        self.done += 1
        if status != "ok":
            words = f"{status}: {error or ''}".partition("\n")[0]
        self.show_finished(f"{self.names[index]} {words}".rstrip(), status)

    def eta(self) -> str:
        parts = sum(fraction for fraction, _ in self.going.values())
        finished = self.done - self.before + parts
        if not finished:
            return "time left unknown"
        elapsed = time.monotonic() - self.started
        return remaining(elapsed / finished * (self.total - self.done - parts))

    def running(self) -> str:
        return ", ".join(
            f"{self.names[index]} {fraction:.0%} {words}".rstrip()
            for index, (fraction, words) in sorted(self.going.items())
        )

    def show(self) -> None:
        raise NotImplementedError

    def show_finished(self, sentence: str, status: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Called once, after the last run or when the grid is interrupted."""


class Lines(Progress):
    """One line a finished run, and one a minute while none finishes."""

    def __init__(self, runs: list[dict], done: int):
        super().__init__(runs, done)
        self.printed = self.started

    def _print(self, text: str) -> None:
        self.printed = time.monotonic()
        print(f"{self.done}/{self.total} runs, {self.eta()}: {text}", file=sys.stderr, flush=True)

    def show(self) -> None:
        if time.monotonic() - self.printed > _SECONDS_BETWEEN_LINES:
            self._print(f"running {self.running()}")

    def show_finished(self, sentence: str, status: str) -> None:
        self._print(sentence)


class Bar(Progress):
    """A tqdm bar that also moves within runs; runs that do not end well are told above it."""

    def __init__(self, runs: list[dict], done: int):
        super().__init__(runs, done)
        self.bar = tqdm(
            total=self.total,
            initial=self.done,
            bar_format="{percentage:3.0f}%|{bar:20}| {desc}{postfix}",
            dynamic_ncols=True,
        )
        self.show()

    def show(self) -> None:
        self.bar.n = self.done + sum(fraction for fraction, _ in self.going.values())
        self.bar.set_description_str(f"{self.done}/{self.total} runs, {self.eta()}", refresh=False)
        self.bar.set_postfix_str(self.running())

    def show_finished(self, sentence: str, status: str) -> None:
        if status != "ok":
            self.bar.write(sentence, file=sys.stderr)
        self.show()

    def close(self) -> None:
        self.bar.close()


def display(runs: list[dict], done: int) -> Progress:
    """A bar in a terminal or in JupyterLab, lines elsewhere; EMBEDSTUDY_PROGRESS=lines|bar rules."""
    in_lab = type(sys.stderr).__module__.startswith("ipykernel")
    chosen = os.environ.get("EMBEDSTUDY_PROGRESS", "bar" if in_lab or sys.stderr.isatty() else "")
    return (Bar if chosen == "bar" else Lines)(runs, done)
