"""The grid of a chapter on tables, as data: one dict a run."""

from dataclasses import dataclass, field
from itertools import product


@dataclass(frozen=True)
class Variant:
    """One line of a chapter's grid: a method with its options, under the name that charts show."""

    label: str
    method: str
    options: dict = field(default_factory=dict)


def table_runs(
    family: str,
    variants: list[Variant],
    *,
    datasets: list[str],
    backbones: list[str],
    budgets: list[float],
    seeds: list[int],
    events: dict[str, int],
    dim: int,
    init_std: float,
    backbone_options: dict,
    train: dict,
    min_count: int = 2,
) -> list[dict]:
    """The runs of one family, the full product of the lists, in a fixed order.

    The uncompressed table (method ``full``) has no budget to vary: it runs once a seed, at 1.0.
    ``events`` maps a data set to the size of the subset to use; sets that it does not name are
    used whole.
    """
    return [
        {
            "place": "tables",
            "dataset": dataset,
            "backbone": backbone,
            "family": family,
            "method": variant.method,
            "label": variant.label,
            "options": variant.options,
            "budget": float(budget),
            "seed": seed,
            "dim": dim,
            "init_std": init_std,
            "events": events.get(dataset),
            "min_count": min_count,
            "backbone_options": backbone_options,
            "train": train,
        }
        for dataset, backbone, variant in product(datasets, backbones, variants)
        for budget in ([1.0] if variant.method == "full" else budgets)
        for seed in seeds
    ]
