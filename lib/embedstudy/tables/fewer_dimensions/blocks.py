"""A table cut into blocks of like frequency, each with columns of its own."""

import itertools

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, TableSpec, lookup


def frequency_bounds(spec: TableSpec, blocks: int) -> list[list[int]]:
    """Where each field is cut so that blocks hold equally many ids of like training frequency.

    A field gets ``blocks`` + 1 bounds: its ids [b_i, b_i+1) are in block i, 0 the most frequent.
    Ids of one frequency stay together, so blocks are equal up to ties. Ids must be ordered by
    frequency within their field (``check_frequency_order``); the out-of-vocabulary id 0 goes with
    the most frequent block of its field.
    """
    ordered = spec.counts.sort(descending=True).values
    cuts = ordered[[len(ordered) * i // blocks for i in range(1, blocks)]]
    bounds = []
    for counts in spec.field_counts():
        rest = counts[1:]
        inner = [1 + int((rest > cut).sum()) if (rest > cut).any() else 0 for cut in cuts]
        inner = [max(inner[: i + 1]) for i in range(len(inner))]
        bounds.append([0, *inner, len(counts)])
    return bounds


class Blocks(Table):
    """Base of tables with blocks: which block and which place in it an id has."""

    def __init__(self, field_rows: list[int], dim: int, bounds: list[list[int]]):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bounds: of each field, blocks + 1 local ids: those in [b_i, b_i+1) are in block i.
        """
        super().__init__(field_rows, dim)
        self.bounds = bounds
        edges = torch.tensor(bounds, device="cpu")
        self.block_rows = (edges[:, 1:] - edges[:, :-1]).sum(0).tolist()
        before = (edges[:, 1:] - edges[:, :-1]).cumsum(0)
        first = torch.cat([torch.zeros_like(before[:1]), before[:-1]])
        self.register_buffer("edges", edges[:, 1:].contiguous(), persistent=False)
        # Place of id x of field f in block b: x - bounds[f][b] + first[f][b].
        self.register_buffer("shift", first - edges[:, :-1], persistent=False)

    def block_of(self, field: Tensor, local: Tensor) -> Tensor:
        """The block of each id: int64, the shape of ``field``."""
        return (local.unsqueeze(-1) >= self.edges[field]).sum(-1)


class BlockTable(Blocks):
    """E[x] has the columns that its block kept, and zeros in the others.

    Each block is a dense matrix of its rows and the columns that it kept.
    """

    method = "blocks"
    config_keys = ("bounds", "kept")

    def __init__(
        self, field_rows: list[int], dim: int, bounds: list[list[int]], kept: list[list[int]]
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bounds: as in ``Blocks``.
            kept: the columns of each block, ascending.
        """
        super().__init__(field_rows, dim, bounds)
        self.kept = kept
        self.rows = nn.ParameterDict(
            {
                str(b): nn.Parameter(torch.empty(rows, len(columns)))
                for b, (rows, columns) in enumerate(zip(self.block_rows, kept, strict=True))
                if rows and columns
            }
        )

    @torch.no_grad()
    def fill(self, weight: Tensor) -> None:
        """Take the kept columns of a dense weight fp32 [rows, dim], and move to its device."""
        self.to(weight.device)
        field, local = self.local(torch.arange(len(weight), device=weight.device))
        block = self.block_of(field, local)
        for name, rows in self.rows.items():
            mine = (block == int(name)).nonzero().squeeze(1)
            place = local[mine] + self.shift[field[mine], int(name)]
            columns = torch.tensor(self.kept[int(name)], device=weight.device)
            rows[place] = weight[mine][:, columns]

    def forward(self, ids: Tensor) -> Tensor:
        field, local = self.local(ids.flatten())
        block = self.block_of(field, local)
        place = local + self.shift[field, block]
        vectors = torch.zeros(len(block), self.dim, device=ids.device)
        for name, rows in self.rows.items():
            mine = (block == int(name)).nonzero().squeeze(1)
            columns = torch.tensor(self.kept[int(name)], device=ids.device)
            part = lookup(rows, place[mine])
            if len(columns) < self.dim:
                padded = torch.zeros(len(mine), self.dim, device=ids.device)
                part = padded.index_copy(1, columns, part)
            vectors = vectors.index_copy(0, mine, part)
        return vectors.view(*ids.shape, self.dim)

    def allocation(self) -> list[dict]:
        """One line a field and block: field, first (local id), rows, dims (how many it kept)."""
        return [
            {"field": f, "first": low, "rows": high - low, "dims": len(self.kept[b])}
            for f, bounds in enumerate(self.bounds)
            for b, (low, high) in enumerate(itertools.pairwise(bounds))
            if high > low
        ]
