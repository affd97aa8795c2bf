"""The grid of a chapter on tables, as data: one dict a run."""

from dataclasses import dataclass, field
from itertools import product


@dataclass(frozen=True)
class Variant:
    """One line of a chapter's grid: a method with its options, under the name that charts show.

    ``family``: where the method is of another family than the chapter; its runs are then shared
    with that family's chapter. ``budgets``: where the method has one size only, the budgets to ask
    of it instead of the chapter's.
    """

    label: str
    method: str
    options: dict = field(default_factory=dict)
    family: str | None = None
    budgets: tuple[float, ...] | None = None


FULL = Variant("full table", "full")


def table_runs(
    family: str,
    variants: list[Variant],
    *,
    datasets: list[str],
    backbones: list[str],
    budgets: list[float],
    seeds: dict[str, list[int]],
    events: dict[str, int],
    dim: int,
    init_std: float,
    backbone_options: dict,
    train: dict,
    min_count: int = 2,
) -> list[dict]:
    """The runs of one family, the full product of the lists, in a fixed order.

    The uncompressed table comes first in every grid, once a seed: it has no budget to vary, and
    where another chapter has recorded it, it is not run again. ``seeds`` maps each data set to its
    seeds, ``events`` a data set to the size of the subset to use; sets that it does not name are
    used whole.
    """
    lines = [("reference", FULL, [1.0])]
    lines += [(v.family or family, v, v.budgets or budgets) for v in variants]
    return [
        {
            "place": "tables",
            "dataset": dataset,
            "backbone": backbone,
            "family": of,
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
        for dataset, backbone, (of, variant, sizes) in product(datasets, backbones, lines)
        for budget in sizes
        for seed in seeds[dataset]
    ]
