"""AutoDim: each field's dimension found by differentiable architecture search.

Zhao et al., "AutoDim: Field-aware Embedding Dimension Search in Recommender Systems" (WWW 2021),
equations 2 to 11, with weight-sharing embeddings (section 2.2).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import (
    Table,
    TableSpec,
    check,
    check_decay,
    lookup,
    planned_bytes,
)
from embedstudy.tables.fewer_dimensions.mixed import MixedTable

_COOLING = 5e-5 / 2000  # of the temperature, for each event seen


class AutoDim(Table):
    """Search: every candidate dimension at once; then a mixed table with the chosen ones.

    In the search the vector of id x of field f is the sum over candidates c of p_fc BN(W_fc E[x][:c]
    + b_fc): E is shared by the candidates, BN a batch norm without scale and shift, and p_f a
    Gumbel softmax of alpha_f whose temperature falls. Weights learn on training batches, alpha on
    *validation* batches (first order), in turns. Then each field takes its most probable candidate
    and a mixed table is trained from scratch, with the backbone's first weights.

    Departures: the paper cannot aim at a budget. Here the assignment with the largest sum of
    log-probabilities is taken among those that fit, found exactly over the numbers that a file
    holds (``likeliest``). The table trained at last projects without bias and batch norm. alpha
    learns by Adam at .01 (published code: SGD, .001), as epochs of search are few.
    """

    method = "autodim"
    why_less = "its search decides the size, which may be smaller than the budget"
    config_keys = ("candidates", "search_epochs", "alpha_lr")
    sized_in_training = True

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        candidates: list[int],
        search_epochs: int,
        alpha_lr: float,
        factor_l2: float | None = 0.0,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            candidates: dimensions that a field may get, ascending, the last one ``dim``.
            search_epochs: epochs of the search.
            alpha_lr: Adam's learning rate of alpha.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        self.factor_l2 = factor_l2
        self.candidates, self.search_epochs, self.alpha_lr = candidates, search_epochs, alpha_lr
        fields, count = len(field_rows), len(candidates)
        self.rows = nn.Parameter(torch.empty(sum(field_rows), dim))
        self.weight = nn.Parameter(torch.empty(fields, dim, count * dim))
        self.bias = nn.Parameter(torch.empty(fields, count * dim))
        self.alpha = nn.Parameter(torch.zeros(fields, count))
        self.register_buffer("mean", torch.zeros(fields, count * dim))
        self.register_buffer("var", torch.ones(fields, count * dim))
        # Candidate c reads the first c columns of E: the rest of its matrix stays zero.
        reads = torch.arange(dim, device="cpu")[:, None] < torch.tensor(candidates, device="cpu")
        self.register_buffer("reads", reads.repeat_interleave(dim, 1).float(), persistent=False)
        self.seen, self.noise = 0, None

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        search_epochs: int = 3,
        alpha_lr: float = 0.01,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            search_epochs: epochs of the search, 1 to 1,000.
            alpha_lr: Adam's learning rate of alpha.
            factor_l2: weight decay of W, and of the projections at last; None: that of rows.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "search_epochs", search_epochs, range(1, 1001))
        candidates = [c for c in (2**i for i in range(1, 20)) if c < spec.dim] + [spec.dim]
        smallest = mixed_bytes(spec, [candidates[0]] * len(spec.field_rows))
        if smallest > budget:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {smallest:,} bytes for this table (dimension "
                f"{candidates[0]} everywhere), the budget is {budget:,} bytes."
            )
        sizes = spec.sizes() | {"candidates": candidates}
        sizes |= {"search_epochs": search_epochs, "alpha_lr": alpha_lr}
        return sizes | {"factor_l2": factor_l2}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.rows, std=spec.init_std, generator=rng)
        nn.init.normal_(self.weight, std=self.dim**-0.5, generator=rng)
        nn.init.zeros_(self.bias)

    def factors(self) -> list[nn.Parameter]:
        return [self.weight]

    def parameter_groups(self) -> list[dict]:
        rows, *factors = super().parameter_groups()
        # alpha has an optimizer of its own.
        return [{"params": [p for p in rows["params"] if p is not self.alpha]}, *factors]

    # -- the search ---------------------------------------------------------------------------------
    def probabilities(self) -> Tensor:
        """Share of each candidate: [fields, candidates]; Gumbel noise only while training."""
        if not self.training or self.noise is None:
            return self.alpha.softmax(-1)
        temperature = max(0.01, 1 - _COOLING * self.seen)
        uniform = torch.rand(self.alpha.shape, generator=self.noise).to(self.alpha.device)
        gumbel = -(-uniform.clamp(1e-9, 1 - 1e-7).log()).log()
        return ((self.alpha.log_softmax(-1) + gumbel) / temperature).softmax(-1)

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        field, shares = self.field_of(flat), self.probabilities()
        vectors = torch.zeros(len(flat), self.dim, device=ids.device)
        rows = lookup(self.rows, flat)  # once: each look-up costs a dense gradient of all rows
        for f in range(len(self.field_rows)):
            mine = (field == f).nonzero().squeeze(1)
            if len(mine):
                mixed = self.mixture(f, rows[mine], shares[f])
                vectors = vectors.index_copy(0, mine, mixed)
        return vectors.view(*ids.shape, self.dim)

    def mixture(self, f: int, rows: Tensor, shares: Tensor) -> Tensor:
        """Candidates of field f, weighted: rows [n, d], shares [candidates] -> [n, d]."""
        every = rows @ (self.weight[f] * self.reads) + self.bias[f]
        training = self.training and len(rows) > 1
        every = F.batch_norm(every, self.mean[f], self.var[f], None, None, training)
        return torch.einsum("ncd,c->nd", every.view(len(rows), -1, self.dim), shares)

    def recipe(self, trainer) -> None:
        self.noise = generator(trainer.seed, "gumbel")
        optimizer = torch.optim.Adam([self.alpha], self.alpha_lr)

        def each_step(step: int) -> None:
            self.seen += trainer.config.batch
            (self.alpha.grad,) = torch.autograd.grad(trainer.valid_loss(), [self.alpha])
            optimizer.step()

        trainer.fit(
            "search",
            any_budget=True,
            epochs=self.search_epochs,
            until=lambda: False,
            each_step=each_step,
        )
        dims = self.assign(trainer.spec, trainer.budget)
        table = MixedTable(self.field_rows, self.dim, dims, self.factor_l2)
        table.reset(trainer.spec, generator(trainer.seed, "table", "autodim retrain"))
        trainer.use(table)
        trainer.reset_backbone()
        trainer.fit("retrain")

    def assign(self, spec: TableSpec, budget: int) -> list[int]:
        """The dimension of each field: the likeliest assignment whose file fits ``budget`` bytes."""
        rows, dims = torch.tensor(self.field_rows)[:, None], torch.tensor(self.candidates)
        sizes = 4 * dims * (rows + self.dim * (dims < self.dim))  # of E_f and of P_f
        scores = self.alpha.detach().double().cpu().log_softmax(-1)
        for choice in likeliest(scores, sizes, budget):
            chosen = [self.candidates[c] for c in choice]
            if mixed_bytes(spec, chosen) <= budget:  # with its header
                return chosen
        return [self.candidates[0]] * len(self.field_rows)  # ``plan`` saw that this one fits


def mixed_bytes(spec: TableSpec, dims: list[int]) -> int:
    """Bytes of the file of a mixed table with these dimensions."""
    return planned_bytes(MixedTable, spec.sizes() | {"dims": dims})


def likeliest(scores: Tensor, sizes: Tensor, capacity: int) -> Iterator[list[int]]:
    """Choices of one candidate a field, the largest sum of scores first.

    ``scores``, ``sizes`` (bytes): [fields, candidates]. Yields the choices of at most ``capacity``
    bytes that no smaller or equal one reaches in score; partial sums that a smaller or equal one
    reaches are dropped field by field, which never costs the best.
    """
    size, total = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.float64)
    least, steps = sizes.min(1).values, []
    for f in range(len(sizes)):
        size = (size[:, None] + sizes[f]).flatten()
        total = (total[:, None] + scores[f]).flatten()
        order = total.argsort(descending=True, stable=True)
        order = order[size[order].argsort(stable=True)]  # by size, then the larger total first
        best = total[order].cummax(0).values
        better = best.diff(prepend=best.new_full((1,), -torch.inf)) > 0
        order = order[better & (size[order] <= capacity - least[f + 1 :].sum())]
        size, total = size[order], total[order]
        steps.append(order)
    for place in reversed(range(len(size))):
        choice = []
        for order in reversed(steps):
            place, candidate = divmod(int(order[place]), sizes.shape[1])
            choice.append(candidate)
        yield choice[::-1]
