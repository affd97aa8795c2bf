"""How a grid shows where it is: a bar at a terminal, a line in a notebook, lines in logs."""

import os
import sys
import time

from tqdm import tqdm

from embedstudy.measure.units import budget_name
from embedstudy.study.engine.runs import Run

_SECONDS_BETWEEN_LINES = 60  # a sign of life while no run finishes


def describe(run: Run) -> str:
    """A run in a few words: ``movielens dcnv2 QR (mul) 1/10 seed 0``."""
    budget = budget_name(run.budget)
    words = [
        getattr(run, "dataset", None),
        run.backbone,
        run.label or run.method,
        budget,
        f"seed {run.seed}",
    ]
    return " ".join(word for word in words if word)


def remaining(seconds: float) -> str:
    """
    >>> remaining(42), remaining(400), remaining(9000)
    ('42 s left', '7 min left', '2.5 h left')
    """
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


class GridDisplay:
    """State of a grid: ``total`` runs, ``done`` of them finished, the others going or waiting."""

    def __init__(self, runs: list[Run], done: int):
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


class Lines(GridDisplay):
    """One line a finished run, and one a minute while none finishes."""

    def __init__(self, runs: list[Run], done: int):
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


class Bar(GridDisplay):
    """A tqdm bar that also moves within runs; runs that do not end well are told above it."""

    def __init__(self, runs: list[Run], done: int):
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


class Cell(GridDisplay):
    """One line below a notebook's cell, written anew: it is the cell's one output in the end."""

    def __init__(self, runs: list[Run], done: int):
        super().__init__(runs, done)
        from IPython.display import display  # no part of a grid that runs elsewhere

        self.bad: list[str] = []
        self.handle = display(self._line("starting"), display_id=True)

    def _line(self, now: str) -> "_Text":
        return _Text("\n".join([f"{self.done}/{self.total} runs, {now}", *self.bad]))

    def show(self) -> None:
        self.handle.update(self._line(f"{self.eta()}: {self.running()}"))

    def show_finished(self, sentence: str, status: str) -> None:
        if status != "ok":
            self.bad.append(sentence)
        self.show()

    def close(self) -> None:
        seconds = time.monotonic() - self.started
        self.handle.update(self._line(f"{self.before} of them recorded before, {seconds:.0f} s"))


class _Text:
    """Plain text as the rich output of a cell."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


_DISPLAYS = {"bar": Bar, "lines": Lines, "cell": Cell}


def display(runs: list[Run], done: int) -> GridDisplay:
    """A bar in a terminal, one line in a notebook, lines elsewhere; EMBEDSTUDY_PROGRESS rules."""
    in_notebook = type(sys.stderr).__module__.startswith("ipykernel")
    chosen = "cell" if in_notebook else "bar" if sys.stderr.isatty() else "lines"
    return _DISPLAYS[os.environ.get("EMBEDSTUDY_PROGRESS", chosen)](runs, done)
