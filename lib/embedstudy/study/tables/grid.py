"""The grid of a chapter on tables, as data: one run a cell."""

from dataclasses import dataclass, field
from itertools import product

from embedstudy.core.errors import StudyError
from embedstudy.study.tables.settings import TableSettings
from embedstudy.study.tables.types import TableRun


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
# What methods with two phases of training have to beat besides.
FULL_TWO_PHASES = Variant(
    "full table, two phases", "full_two_phases", family="reference", budgets=(1.0,)
)


def table_runs(family: str, variants: list[Variant], settings: TableSettings) -> list[TableRun]:
    """The runs of one family, the full product of the settings' lists, in a fixed order.

    The uncompressed table comes first in every grid, once a seed: it has no budget to vary, and
    where another chapter has recorded it, it is not run again. Data sets that are not prepared are
    to be left out before (``show.prepared``).
    """
    lines = [("reference", FULL, [1.0])]
    lines += [(v.family or family, v, v.budgets or settings.budgets) for v in variants]
    _check_settings(settings, {variant.method for _, variant, _ in lines})
    return [
        TableRun(
            dataset=dataset,
            backbone=backbone,
            family=of,
            method=variant.method,
            label=variant.label,
            options=settings.options.get(variant.method, {}) | variant.options,
            budget=float(budget),
            seed=seed,
            dim=settings.dim,
            init_std=settings.init_std,
            backbone_options=settings.backbone_options,
            train=settings.train,
        )
        for dataset, backbone, (of, variant, sizes) in product(
            settings.datasets, settings.backbones, lines
        )
        for budget in sizes
        for seed in settings.seeds[dataset]
    ]


def _check_settings(settings: TableSettings, methods: set[str]) -> None:
    for dataset in settings.datasets:
        if not settings.seeds.get(dataset):
            raise StudyError(f"seeds has none for the data set '{dataset}': give it at least one.")
    for name in ("budgets", "backbones"):
        if not getattr(settings, name):
            raise StudyError(f"{name} is empty: give it at least one entry.")
    for method in settings.options:
        if method not in methods:
            raise StudyError(
                f"options are given for '{method}', which is no method of this chapter: "
                f"it has {', '.join(sorted(methods))}."
            )
