"""A table whose fields have dimensions of their own, each projected to the common one.

The form that mixed-dimension methods serve (Ginart et al., arXiv 1909.11810, section 3).
"""

import math

import torch
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.base import Table, TableSpec, lookup


class MixedTable(Table):
    """E_f[x] P_f with E_f in R^{n_f x d_f} and P_f in R^{d_f x d}; no projection where d_f = d.

    Fields of one dimension are stored together, so a look-up gathers once a distinct dimension, not
    once a field.
    """

    method = "mixed"
    config_keys = ("dims",)

    def __init__(
        self, field_rows: list[int], dim: int, dims: list[int], factor_l2: float | None = 0.0
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            dims: d_f of each field, from 0 (all its vectors are zero) to ``dim``.
            factor_l2: weight decay of the projections; None: that of rows.
        """
        super().__init__(field_rows, dim)
        if len(dims) != len(field_rows) or not all(0 <= d <= dim for d in dims):
            raise StudyError(
                f"A mixed table needs one dimension from 0 to {dim} a field, got {dims} for "
                f"{len(field_rows)} fields."
            )
        self.dims, self.factor_l2 = list(dims), factor_l2
        self.widths = sorted({d for d in dims if d})
        first, place = [0] * len(dims), [0] * len(dims)
        self.rows, self.projections = nn.ParameterList(), nn.ParameterList()
        for width in self.widths:
            fields = [f for f, d in enumerate(dims) if d == width]
            total = 0
            for number, f in enumerate(fields):
                first[f], place[f] = total, number
                total += field_rows[f]
            self.rows.append(nn.Parameter(torch.empty(total, width)))
            if width < dim:
                self.projections.append(nn.Parameter(torch.empty(len(fields), width, dim)))
        for name, values in (("dim_of", self.dims), ("first", first), ("place", place)):
            self.register_buffer(name, torch.tensor(values, device="cpu"), persistent=False)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        """Vectors start with deviation ``init_std``: rows with it, projections at 1/sqrt(d_f)."""
        for rows in self.rows:
            nn.init.normal_(rows, std=spec.init_std, generator=rng)
        for projection in self.projections:
            nn.init.normal_(projection, std=1 / math.sqrt(projection.shape[1]), generator=rng)

    def factors(self) -> list[nn.Parameter]:
        return list(self.projections)

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids.flatten())
        row, dims = self.first[field] + local, self.dim_of[field]
        vectors = torch.zeros(len(row), self.dim, device=ids.device)
        for number, width in enumerate(self.widths):
            mine = (dims == width).nonzero().squeeze(1)
            part = lookup(self.rows[number], row[mine])
            if width < self.dim:
                part = self.projected(part, self.projections[number], self.place[field[mine]])
            vectors = vectors.index_copy(0, mine, part)
        return vectors.view(*ids.shape, self.dim)

    @staticmethod
    def projected(rows: Tensor, projections: Tensor, place: Tensor) -> Tensor:
        """Each row times the projection of its field: [n, w], [fields, w, d], [n] -> [n, d].

        One product with all projections side by side, then the field's block: fields of one
        dimension are few, and this costs no copy of a projection for each row.
        """
        if len(projections) == 1:
            return rows @ projections[0]
        blocks = torch.einsum("nw,fwd->nfd", rows, projections)
        return blocks[torch.arange(len(rows), device=rows.device), place]

    def allocation(self) -> list[dict]:
        """One line a field: field (its index), first (its first local id), rows, dims (how many)."""
        return [
            {"field": f, "first": 0, "rows": n, "dims": d}
            for f, (n, d) in enumerate(zip(self.field_rows, self.dims, strict=True))
        ]
