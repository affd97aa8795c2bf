"""TT-Rec: a table as a tensor train of three cores.

Yin et al., "TT-Rec: Tensor Train Compression for Deep Learning Recommendation Models" (MLSys 2021).
"""

import math

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import (
    Table,
    TableSpec,
    check,
    check_decay,
    largest,
    lookup,
    per_distinct,
)
from embedstudy.tables.core.digits import root


class TTRec(Table):
    """Row (i1, i2, i3) = A[i1] B[i2] C[i3], matrices q1 x r1, r1 x (q2 r2) and r2 x q3.

    One train a field, as in the published benchmark: x = (i1 n2 + i2) n3 + i3 within its field and
    n1 n2 n3 >= n_f with near-equal factors. A field that this would not make smaller keeps a row
    for each id. q1 q2 q3 >= dim; columns past ``dim`` are cut off. Ranks are equal or r1 = r2 + 1,
    for finer steps than one rank allows, and stop at ``most_rank``, the paper's largest, as the
    cost of a look-up grows with their square.

    Weight decay of rows does not reach the cores by default: at zero, where decay pulls them, a
    product of three has no gradient, and a sparse table would never leave it.

    Departure: cores start normal with the deviation that gives *vectors* ``init_std``; the paper
    draws from a Gaussian without its values near 0.
    """

    method = "tt_rec"
    config_keys = ("size",)
    why_less = "ranks above its option most_rank are not tried, or the next larger does not fit"

    def __init__(self, field_rows: list[int], dim: int, size: int, factor_l2: float | None = 0.0):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            size: r1 + r2, at least 2.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        self.factor_l2 = factor_l2
        self.size, self.ranks = size, (size - size // 2, size // 2)
        self.columns = column_factors(dim)
        (r1, r2), (q1, q2, q3) = self.ranks, self.columns
        widths = (q1 * r1, r1 * q2 * r2, r2 * q3)
        fields, heights, kept = [], [0, 0, 0], 0
        for n in field_rows:
            factors = row_factors(n)
            if sum(m * w for m, w in zip(factors, widths, strict=True)) < n * dim:
                fields.append((*factors[1:], *heights, False, 0))
                heights = [h + m for h, m in zip(heights, factors, strict=True)]
            else:
                fields.append((1, 1, 0, 0, 0, True, kept))
                kept += n
        names = ("n2", "n3", "first1", "first2", "first3", "whole", "whole_row")
        for name, values in zip(names, zip(*fields, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values, device="cpu"), persistent=False)
        shapes = zip(heights, widths, strict=True)
        self.cores = nn.ParameterList(nn.Parameter(torch.empty(s)) for s in shapes if s[0])
        self.register_parameter("rows", nn.Parameter(torch.empty(kept, dim)) if kept else None)

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        most_rank: int = 64,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            most_rank: the largest r1 that is tried.
            factor_l2: weight decay of the cores; None: that of rows.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "most_rank", most_rank, range(1, 2**16))
        high = 2 * min(most_rank, max(*spec.field_rows, spec.dim))  # a longer one saves nothing
        sizes = spec.sizes() | {"factor_l2": factor_l2}
        return largest(cls, budget, lambda size: sizes | {"size": size}, 2, high)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        # A number is a sum of r1 r2 products of three numbers.
        std = (spec.init_std / math.sqrt(math.prod(self.ranks))) ** (1 / 3)
        for core in self.cores:
            nn.init.normal_(core, std=std, generator=rng)
        if self.rows is not None:
            nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def factors(self) -> list[nn.Parameter]:
        return list(self.cores)

    def forward(self, ids: Tensor) -> Tensor:
        return per_distinct(ids, self.vectors)

    def vectors(self, ids: Tensor) -> Tensor:
        """The vectors of int64 ids [n]: [n, dim]."""
        field, local = self.local(ids)
        if self.rows is None:
            return self.composed(field, local)
        whole = self.whole[field]
        vectors = lookup(self.rows, torch.where(whole, self.whole_row[field] + local, 0))
        if not len(self.cores):
            return vectors
        train = ~whole
        return vectors.index_put((train,), self.composed(field[train], local[train]))

    def composed(self, field: Tensor, local: Tensor) -> Tensor:
        """The vectors of the fields that are compressed: [n] twice -> [n, dim]."""
        n, (r1, r2), (q1, q2, q3) = len(local), self.ranks, self.columns
        n2, n3 = self.n2[field], self.n3[field]
        a = lookup(self.cores[0], self.first1[field] + local // (n2 * n3))
        b = lookup(self.cores[1], self.first2[field] + local // n3 % n2)
        c = lookup(self.cores[2], self.first3[field] + local % n3)
        ab = torch.bmm(a.view(n, q1, r1), b.view(n, r1, q2 * r2))
        abc = torch.bmm(ab.view(n, q1 * q2, r2), c.view(n, r2, q3))
        return abc.view(n, q1 * q2 * q3)[:, : self.dim]


def row_factors(n: int) -> tuple[int, int, int]:
    """Three near-equal numbers whose product is at least n."""
    last = root(n, 3)
    middle = root(-(-n // last), 2)
    return -(-n // (last * middle)), middle, last


def column_factors(dim: int) -> tuple[int, int, int]:
    """The three numbers of smallest sum, then product, whose product is at least ``dim``."""
    top = range(1, root(dim, 2) + 1)
    triples = [tuple(sorted((a, b, -(-dim // (a * b))))) for a in top for b in top]
    return min(triples, key=lambda t: (sum(t), math.prod(t)))
