"""The grid of the chapter on the word table, as data: one dict a run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WordTable:
    """One line of the grid: a method with its options, the budgets asked of it, and recovery or not."""

    label: str
    method: str
    budgets: tuple[float, ...]
    options: dict = field(default_factory=dict)
    recovered: bool = False


def word_table_runs(
    lines: list[WordTable],
    *,
    seeds: list[int],
    tasks: dict[str, dict],
    domain: dict[str, int],
    length: int,
    fit: dict,
    recovery: dict,
) -> list[dict]:
    """One run a line, budget and seed, after the uncompressed encoder.

    A line that is ``recovered`` appears twice: as it was fitted, and after distillation, then with
    "+ recovery" in its label.
    """
    chosen = [("reference", WordTable("all-MiniLM-L6-v2", "full", (1.0,)), 0, seeds[:1])]
    for line in lines:
        chosen.append(("encoders_word_table", line, 0, seeds))
        if line.recovered:
            again = WordTable(f"{line.label} + recovery", line.method, line.budgets, line.options)
            chosen.append(("encoders_word_table", again, recovery["steps"], seeds))
    return [
        {
            "place": "encoders",
            "backbone": "all-MiniLM-L6-v2",
            "family": family,
            "method": line.method,
            "label": line.label,
            "options": line.options,
            "budget": budget,
            "seed": seed,
            "tasks": tasks,
            "domain": domain,
            "length": length,
            "fit": fit,
            "recovery": recovery | {"steps": steps},
        }
        for family, line, steps, of in chosen
        for budget in line.budgets
        for seed in of
    ]
