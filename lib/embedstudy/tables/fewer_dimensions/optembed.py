"""OptEmbed: which rows to keep, and how many dimensions a field needs.

Lyu et al., "OptEmbed: Learning Optimal Embedding Table for Click-through Rate Prediction" (CIKM
2022), sections 3.2 to 3.4.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import Table, TableSpec, check, lookup, planned_bytes
from embedstudy.tables.fewer_dimensions.evolution import Dims, Evolution
from embedstudy.tables.fewer_dimensions.kept_rows import KeptRows


class BinaryStep(torch.autograd.Function):
    """1 where z > 0, else 0; its gradient is that of the paper's long-tailed estimator.

    2 - 4 |z| for |z| <= .4, .4 for .4 < |z| <= 1, else 0 (section 3.2).
    """

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:
        size = ctx.saved_tensors[0].abs()
        slope = torch.where(size <= 0.4, 2 - 4 * size, torch.where(size <= 1, 0.4, 0.0))
        return upstream * slope


class OptEmbed(Table):
    """Supernet, evolutionary search, retraining of what is kept from the first weights.

    (i) The supernet keeps a row where ||E_x||_1 > t_f, with a learned threshold a field, and of
    every (sample, field) the first k dimensions, k uniform in 1 ... d; its loss adds ``alpha`` times
    the sum of exp(-t_f); thresholds learn by SGD. (ii) Evolution over the dimensions of fields,
    fitness = validation AUC of the supernet. (iii) Kept rows and dimensions, and the backbone, are
    trained from the weights that they started with.

    Departures: the paper cannot aim at a budget. Here candidates that do not fit give up dimensions
    of the field with the most bytes until they do; and if the kept rows do not fit with a single
    dimension each, those with the largest margin ||E_x||_1 - t_f stay. Thresholds learn at .01
    (published: .0001, for many more steps); sizes of the evolution are options.
    """

    method = "optembed"
    why_less = "its search decides the size, which may be smaller than the budget"
    config_keys = ("alpha", "threshold_lr", "search_epochs")
    sized_in_training = True
    searches_dims = True

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        alpha: float = 1e-4,
        threshold_lr: float = 0.01,
        search_epochs: int = 3,
        evolution: dict | None = None,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            alpha: weight of the thresholds' term in the loss of the supernet.
            threshold_lr: learning rate of the thresholds.
            search_epochs: epochs of the supernet.
            evolution: arguments of ``Evolution``; None takes its defaults.
        """
        super().__init__(field_rows, dim)
        self.alpha, self.threshold_lr = alpha, threshold_lr
        self.search_epochs, self.evolution = search_epochs, Evolution(**(evolution or {}))
        self.rows = nn.Parameter(torch.empty(sum(field_rows), dim))
        self.thresholds = nn.Parameter(torch.zeros(len(field_rows)))
        self.rng: torch.Generator | None = None  # of the random dimensions, while training
        self.trial: tuple[Tensor, Tensor] | None = None  # kept rows, dims: of a candidate

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        alpha: float = 1e-4,
        threshold_lr: float = 0.01,
        search_epochs: int = 3,
        population: int = 20,
        generations: int = 30,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            alpha: weight of the thresholds' term in the loss of the supernet.
            threshold_lr: learning rate of the thresholds.
            search_epochs: epochs of the supernet, 1 to 1,000.
            population: candidates of the evolution, 1 to 1,000; half as many children by mutation
                and half as many by crossover in each generation.
            generations: of the evolution, 1 to 1,000.
        """
        for option, value in (("population", population), ("generations", generations)):
            check(cls.method, option, value, range(1, 1001))
        check(cls.method, "search_epochs", search_epochs, range(1, 1001))
        fields = len(spec.field_rows)
        smallest = kept_bytes(spec, [1] * fields, [1 if cls.searches_dims else spec.dim] * fields)
        if smallest > budget:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {smallest:,} bytes for this table (one bit an id and "
                f"a row a field), the budget is {budget:,} bytes."
            )
        half = max(1, population // 2)
        sizes = {"population": population, "mutations": half, "crossovers": half}
        return spec.sizes() | {
            "alpha": alpha,
            "threshold_lr": threshold_lr,
            "search_epochs": search_epochs,
            "evolution": sizes | {"generations": generations},
        }

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.zeros_(self.thresholds)

    def parameter_groups(self) -> list[dict]:
        return [{"params": [self.rows]}]

    # -- (i) the supernet -----------------------------------------------------------------------------
    def margins(self, rows: Tensor, field: Tensor) -> Tensor:
        """||E_x||_1 - t_f of rows [n, d] of fields [n]."""
        return rows.abs().sum(1) - self.thresholds[field]

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        field, rows = self.field_of(flat), lookup(self.rows, flat)
        if self.trial is not None:
            kept, dims = self.trial
            rows = rows * kept[flat].unsqueeze(1) * self.leading(dims[field])
        else:
            rows = rows * BinaryStep.apply(self.margins(rows, field)).unsqueeze(1)
            if self.training and self.searches_dims and self.rng is not None:
                dims = torch.randint(1, self.dim + 1, flat.shape, generator=self.rng)
                rows = rows * self.leading(dims.to(ids.device))
        return rows.view(*ids.shape, self.dim)

    def leading(self, dims: Tensor) -> Tensor:
        """1 in the first ``dims`` [n] columns, 0 in the others: [n, d]."""
        return (torch.arange(self.dim, device=dims.device) < dims.unsqueeze(1)).float()

    def penalty(self) -> Tensor:
        return self.alpha * (-self.thresholds).exp().sum()

    @torch.no_grad()
    def move_thresholds(self, step: int) -> None:
        self.thresholds.sub_(self.threshold_lr * self.thresholds.grad)

    # -- (ii) what to keep ----------------------------------------------------------------------------
    @torch.no_grad()
    def kept_rows(self, spec: TableSpec, budget: int) -> Tensor:
        """Which rows stay: bool [rows]; those above their threshold, or as many as fit."""
        field = self.field_of(torch.arange(len(self.rows), device=self.rows.device))
        margins = self.margins(self.rows, field)
        kept = margins > 0
        width = 1 if self.searches_dims else self.dim
        fixed = kept_bytes(spec, [1] * len(spec.field_rows), [width] * len(spec.field_rows))
        most = len(spec.field_rows) + (budget - fixed) // (4 * width)
        if kept.sum() > most:
            best = margins.argsort(descending=True, stable=True)[:most]
            kept = torch.zeros_like(kept).index_fill_(0, best, True)
        # Numbers of more digits lengthen the header by a few bytes: a few rows less, then.
        while self.bytes_of(spec, kept, [width] * len(spec.field_rows)) > budget:
            last = (margins.masked_fill(~kept, torch.inf)).argsort()[:8]
            kept[last] = False
        return kept

    def counts(self, kept: Tensor) -> list[int]:
        return [int(part.sum()) for part in kept.split(self.field_rows)]

    def bytes_of(self, spec: TableSpec, kept: Tensor, dims: list[int]) -> int:
        return kept_bytes(spec, self.counts(kept), dims)

    def search(self, trainer, kept: Tensor) -> list[int]:
        """The dimension of each field, by evolution under the budget."""
        counts, device = self.counts(kept), kept.device

        def repair(dims: Dims) -> Dims:
            dims = list(dims)
            while kept_bytes(trainer.spec, counts, dims) > trainer.budget:
                f = max((f for f, k in enumerate(dims) if k > 1), key=lambda f: counts[f] * dims[f])
                dims[f] -= 1
            return tuple(dims)

        def fitness(dims: Dims) -> float:
            self.trial = kept.float(), torch.tensor(dims, device=device)
            return trainer.valid_auc()

        rng = generator(trainer.seed, "evolution")
        fields = len(self.field_rows)
        dims, self.history = self.evolution.search(fields, self.dim, fitness, repair, rng)
        self.trial = None
        return list(dims)

    # -- (iii) retraining -------------------------------------------------------------------------------
    def recipe(self, trainer) -> None:
        start = self.rows.detach().clone()
        self.rng = generator(trainer.seed, "dimensions")
        trainer.fit(
            "search",
            any_budget=True,
            epochs=self.search_epochs,
            until=lambda: False,
            each_step=self.move_thresholds,
        )
        kept = self.kept_rows(trainer.spec, trainer.budget)
        dims = [self.dim] * len(self.field_rows)
        if self.searches_dims:
            dims = self.search(trainer, kept)
        table = KeptRows(self.field_rows, self.dim, self.counts(kept), dims)
        table.fill(start, kept)
        trainer.use(table)
        trainer.reset_backbone()
        trainer.fit("retrain")

    def config(self) -> dict:
        return super().config() | {"evolution": vars(self.evolution)}


def kept_bytes(spec: TableSpec, kept: list[int], dims: list[int]) -> int:
    """Bytes of the file of these kept rows and dimensions."""
    return planned_bytes(KeptRows, spec.sizes() | {"kept": kept, "dims": dims})
