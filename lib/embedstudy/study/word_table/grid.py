"""The grid of the chapter on the word table, as data: one run a cell."""

from dataclasses import dataclass, field, replace

from embedstudy.study.word_table.settings import WordTableSettings
from embedstudy.study.word_table.types import WordTableRun

FAMILY = "word_table"
RECOVERED = " + recovery"  # after the label of what was distilled


@dataclass(frozen=True)
class WordTable:
    """One line of the grid: a method with its options, the budgets asked of it, and recovery or not."""

    label: str
    method: str
    budgets: tuple[float, ...]
    options: dict = field(default_factory=dict)
    recovered: bool = False


def word_table_runs(lines: list[WordTable], settings: WordTableSettings) -> list[WordTableRun]:
    """One run a line, budget and seed, after the uncompressed encoder.

    A line that is ``recovered`` appears twice: as it was fitted, and after distillation, then with
    ``RECOVERED`` after its label. Those come last, so that their tables are fitted by then.
    """
    seeds, steps = settings.seeds, settings.recovery.steps
    chosen = [("reference", WordTable("all-MiniLM-L6-v2", "full", (1.0,)), 0, seeds[:1])]
    chosen += [(FAMILY, line, 0, seeds) for line in lines]
    recovered = [replace(line, label=line.label + RECOVERED) for line in lines if line.recovered]
    chosen += [(FAMILY, line, steps, seeds) for line in recovered]
    return [
        WordTableRun(
            backbone="all-MiniLM-L6-v2",
            family=family,
            method=line.method,
            label=line.label,
            options=line.options,
            budget=budget,
            seed=seed,
            tasks=settings.tasks,
            domain=settings.domain,
            length=settings.length,
            fit=settings.fit,
            recovery=replace(settings.recovery, steps=steps),
        )
        for family, line, steps, of in chosen
        for budget in line.budgets
        for seed in of
    ]
