"""Compositional embeddings: an id is written in digits, and each digit has a small table.

Shi et al., "Compositional Embeddings Using Complementary Partitions for Memory-Efficient
Recommendation Systems" (KDD 2020): the quotient-remainder trick (algorithm 2) and
its generalisation to k complementary partitions.
"""

import functools
import math

import torch
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.base import Table, TableSpec, check, check_decay, largest, lookup
from embedstudy.tables.core.digits import digits

OPS = ("mul", "add", "concat")


class QR(Table):
    """R[x mod m] o Q[x // m], the operation o being ``op``; no two ids of a field share all rows.

    m is n_f * size / V, one ratio for all fields, but at least the k-th root of n_f, where the
    tables are smallest. With k = ``parts`` > 2 the quotient is written in k - 1 digits of base
    ceil((n_f / m)^(1/(k-1))), each with a table of its own. "concat" divides the columns among the
    parts. A field that this would not make smaller keeps a row for each id. x is the id within its
    field; divisor and modulus are one number, without which ids would collide.

    Departure: parts start normal around 0, with the deviation that makes the *vectors* start at
    ``init_std``; the authors' code draws them from a uniform distribution on positive numbers.

    With "mul" every part is a factor: weight decay of rows does not reach them by default, as
    nothing is decayed in the authors' code. The full decay of rows drives products of two small
    numbers to zero, where they stay; a tenth of it is worth a trial.
    """

    method = "qr"
    config_keys = ("op", "parts", "size")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        op: str,
        parts: int,
        size: int,
        factor_l2: float | None = 0.0,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            op: "mul", "add" or "concat" of the rows of an id.
            parts: k, digits in which an id is written, 2 to 4.
            size: remainders of all fields together, before the roots.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        check(self.method, "op", op, OPS)
        check(self.method, "parts", parts, range(2, 5))
        if op == "concat" and parts > dim:
            raise StudyError(f"qr cannot divide {dim} columns among {parts} parts: use op='mul'.")
        self.op, self.size, self.factor_l2 = op, size, factor_l2
        widths = [dim // parts + (j < dim % parts) if op == "concat" else dim for j in range(parts)]
        fields, heights, kept = [], [0] * parts, 0
        for n in field_rows:
            modulus, base = digits(n, size / sum(field_rows), parts)
            compressed = modulus * widths[0] + base * sum(widths[1:]) < n * dim
            if compressed:
                fields.append((modulus, base, heights[0], heights[1], False, 0))
                heights = [heights[0] + modulus] + [h + base for h in heights[1:]]
            else:
                fields.append((1, 1, 0, 0, True, kept))
                kept += n
        names = ("modulus", "base", "first_row", "other_row", "whole", "whole_row")
        for name, values in zip(names, zip(*fields, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values, device="cpu"), persistent=False)
        shapes = zip(heights, widths, strict=True)
        self.parts = nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in shapes)
        self.register_parameter("rows", nn.Parameter(torch.empty(kept, dim)) if kept else None)

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        op: str = "mul",
        parts: int = 2,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            op: "mul", "add" or "concat" of the rows of an id.
            parts: k, digits in which an id is written, 2 to 4.
            factor_l2: weight decay of the parts where op is "mul"; None: that of rows.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        sizes = spec.sizes() | {"op": op, "parts": parts, "factor_l2": factor_l2}
        return largest(cls, budget, lambda size: sizes | {"size": size}, 1, spec.rows)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        k = len(self.parts)
        std = {
            "mul": spec.init_std ** (1 / k),
            "add": spec.init_std / math.sqrt(k),
            "concat": spec.init_std,
        }[self.op]
        for part in self.parts:
            nn.init.normal_(part, std=std, generator=rng)
        if self.rows is not None:
            nn.init.normal_(self.rows, std=spec.init_std, generator=rng)

    def factors(self) -> list[nn.Parameter]:
        return list(self.parts) if self.op == "mul" else []

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids)
        whole = self.whole[field]
        if self.rows is None:
            return self.composed(field, local)
        own = lookup(self.rows, torch.where(whole, self.whole_row[field] + local, 0))
        if not len(self.parts[0]):
            return own
        composed = self.composed(field, torch.where(whole, 0, local))
        return torch.where(whole.unsqueeze(-1), own, composed)

    def composed(self, field: Tensor, local: Tensor) -> Tensor:
        """The vectors of the fields that are compressed: [...] twice -> [..., dim]."""
        modulus, base = self.modulus[field], self.base[field]
        vectors = [lookup(self.parts[0], self.first_row[field] + local % modulus)]
        rest = local // modulus
        for part in self.parts[1:]:
            vectors.append(lookup(part, self.other_row[field] + rest % base))
            rest = rest // base
        if self.op == "concat":
            return torch.cat(vectors, -1)
        return functools.reduce(torch.mul if self.op == "mul" else torch.add, vectors)

    def config(self) -> dict:
        return super().config() | {"parts": len(self.parts)}  # the tensors have that name too
