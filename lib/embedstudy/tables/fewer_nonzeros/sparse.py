"""A table whose zeros are not stored: as a bitmap or as compressed rows, whichever is smaller."""

import itertools

import torch
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget
from embedstudy.tables.core.base import Table, TableSpec, lookup, planned_bytes
from embedstudy.tables.core.bitmap import Bitmap
from embedstudy.tables.core.packing import pack_row, row_bytes, sampled_sums, take

FORMS = ("bitmap", "csr")
_EVERY = 8  # kept rows from one row pointer in memory to the next
_PARTS = 8  # of a field in the picture of what it kept


class SparseTable(Table):
    """Non-zero numbers in fp32, row after row, and where they stand.

    As a bitmap: a bit for each number of the dense table. As compressed rows: a bit for each row
    tells whether it has any non-zero; for those that have, how many (minus one) and in which
    columns, in as many bits as ``dim`` needs. Row pointers are sums of the counts and not stored;
    memory holds every eighth.
    """

    method = "sparse"
    config_keys = ("form", "nonzeros", "kept")

    def __init__(self, field_rows: list[int], dim: int, form: str, nonzeros: int, kept: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            form: "bitmap" or "csr" (compressed rows).
            nonzeros: numbers that are stored.
            kept: rows that have any of them.
        """
        super().__init__(field_rows, dim)
        self.form, self.nonzeros, self.kept = form, nonzeros, kept
        self.bits = max(1, (dim - 1).bit_length())
        rows = sum(field_rows)
        self.register_buffer("values", torch.zeros(nonzeros))
        self.map = Bitmap(rows * dim if form == "bitmap" else rows)
        if form == "csr":
            for name, codes in (("counts", kept), ("columns", nonzeros)):
                size = row_bytes(codes, self.bits)
                self.register_buffer(name, torch.zeros(size, dtype=torch.uint8))
            pointers = torch.zeros(-(-kept // _EVERY), dtype=torch.int32)
            self.register_buffer("pointers", pointers, persistent=False)
            self.register_load_state_dict_post_hook(lambda module, _: module.refresh())

    def refresh(self) -> None:
        """Every eighth row pointer, from the counts."""
        rows = torch.arange(self.kept, device=self.counts.device)
        self.pointers.copy_(sampled_sums(self.lengths(rows), _EVERY))

    def lengths(self, row: Tensor) -> Tensor:
        """How many numbers each of the kept rows ``row`` (int64, any shape) has."""
        return take(self.counts, self.bits, row) + 1

    @classmethod
    def of(cls, field_rows: list[int], weight: Tensor, mask: Tensor) -> "SparseTable":
        """The numbers of fp32 [rows, dim] ``weight`` where bool ``mask`` is true, in fewer bytes."""
        kept = mask.any(1)
        sizes = {"nonzeros": int(mask.sum()), "kept": int(kept.sum())}
        sizes |= {"field_rows": list(field_rows), "dim": weight.shape[1]}
        table = cls(form=smaller_form(sizes)[0], **sizes)
        table.values.copy_(weight[mask])
        table.map.fill(mask.flatten() if table.form == "bitmap" else kept)
        if table.form == "csr":
            table.counts.copy_(pack_row(mask[kept].sum(1) - 1, table.bits))
            table.columns.copy_(pack_row(mask.nonzero()[:, 1], table.bits))
            table.refresh()
        return table

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        rows = self.from_bitmap(flat) if self.form == "bitmap" else self.from_csr(flat)
        return rows.view(*ids.shape, self.dim)

    def from_bitmap(self, flat: Tensor) -> Tensor:
        """Vectors of ids [n]: [n, dim]."""
        first = flat * self.dim
        there = self.map.isset(first.unsqueeze(1) + torch.arange(self.dim, device=flat.device))
        rank = self.map.rank(first)[1].unsqueeze(1) + there.cumsum(1) - 1
        vectors = torch.zeros(there.shape, device=flat.device)
        vectors[there] = self.values[rank[there]]
        return vectors

    def from_csr(self, flat: Tensor) -> Tensor:
        """Vectors of ids [n]: [n, dim]."""
        vectors = torch.zeros(len(flat), self.dim, device=flat.device)
        there, rank = self.map.rank(flat)
        line, row = there.nonzero().squeeze(1), rank[there]
        offset = torch.arange(self.dim, device=flat.device)
        inside = offset < self.lengths(row).unsqueeze(1)
        entry = (self.pointer(row).unsqueeze(1) + offset)[inside]
        column = take(self.columns, self.bits, entry)
        vectors[line.unsqueeze(1).expand_as(inside)[inside], column] = self.values[entry]
        return vectors

    def pointer(self, row: Tensor) -> Tensor:
        """Where each of the kept rows [n] begins among the numbers: int64 [n]."""
        block = row // _EVERY
        others = block.unsqueeze(1) * _EVERY + torch.arange(_EVERY - 1, device=row.device)
        lengths = self.lengths(others.clamp(max=max(self.kept - 1, 0)))
        return self.pointers[block] + (lengths * (others < row.unsqueeze(1))).sum(1)

    def allocation(self) -> list[dict]:
        """One line for each eighth of a field: field, first (local id), rows, dims (mean a row)."""
        lines = []
        for f, (start, n) in enumerate(zip(self.starts.tolist(), self.field_rows, strict=True)):
            cuts = sorted({n * part // _PARTS for part in range(_PARTS + 1)})
            for low, high in itertools.pairwise(cuts):
                ids = torch.arange(start + low, start + high, device=self.starts.device)
                dims = (self(ids) != 0).sum().item() / len(ids)
                lines.append({"field": f, "first": low, "rows": high - low, "dims": dims})
        return lines


def smaller_form(sizes: dict) -> tuple[str, int]:
    """The form of fewer bytes for these sizes, and its bytes."""
    costs = {form: planned_bytes(SparseTable, sizes | {"form": form}) for form in FORMS}
    form = min(FORMS, key=costs.__getitem__)
    return form, costs[form]


def best_mask(method: str, spec: TableSpec, importance: Tensor, budget: int) -> Tensor:
    """The most important numbers whose sparse file fits ``budget`` bytes: bool [rows, dim].

    ``importance`` [rows, dim]: numbers are kept in descending order, ties by place. Raises
    ``InfeasibleBudget`` if not one fits.
    """
    rows, dim = importance.shape
    order = importance.flatten().argsort(descending=True, stable=True)
    place = torch.arange(len(order), device=order.device)
    # Where in the order a row has its first number: how many rows the first n numbers touch.
    first = torch.full((rows,), len(order), device=order.device)
    first = first.scatter_reduce(0, order // dim, place, "amin")
    touched = torch.zeros(len(order) + 1, dtype=torch.int64, device=order.device)
    touched.index_add_(0, first + 1, torch.ones_like(first))
    touched = touched.cumsum(0)
    sizes = spec.sizes()
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        config = sizes | {"nonzeros": middle, "kept": int(touched[middle])}
        if smaller_form(config)[1] <= budget:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        raise _too_small(method, sizes, budget)
    mask = torch.zeros(rows * dim, dtype=torch.bool, device=order.device)
    return mask.index_fill_(0, order[:low], True).view(rows, dim)


def check_feasible(method: str, spec: TableSpec, budget: int) -> None:
    """Raise ``InfeasibleBudget`` if not a single number fits."""
    sizes = spec.sizes()
    if smaller_form(sizes | {"nonzeros": 1, "kept": 1})[1] > budget:
        raise _too_small(method, sizes, budget)


def _too_small(method: str, sizes: dict, budget: int) -> InfeasibleBudget:
    least = smaller_form(sizes | {"nonzeros": 1, "kept": 1})[1]
    return InfeasibleBudget(
        f"{method} needs at least {least:,} bytes for this table (a bit for each row), the budget "
        f"is {budget:,} bytes."
    )


class Masked(Table):
    """A dense table some of whose numbers are held at zero: what is trained before it is stored.

    E[x] * mask[x]; the mask is part of the state.
    """

    method = "masked"

    def __init__(self, field_rows: list[int], dim: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
        """
        super().__init__(field_rows, dim)
        self.rows = nn.Parameter(torch.zeros(sum(field_rows), dim))
        self.register_buffer("mask", torch.ones(sum(field_rows), dim, dtype=torch.bool))

    @torch.no_grad()
    def fill(self, weight: Tensor, mask: Tensor) -> "Masked":
        """Take fp32 [rows, dim] ``weight`` and bool ``mask`` of that shape; returns itself."""
        # Zeros where the mask holds them: left to weight decay, these numbers and their moments
        # would end as denormals, on which a CPU computes several times slower.
        self.rows.copy_(weight.masked_fill(~mask, 0))
        self.mask.copy_(mask)
        return self

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids) * self.mask[ids]

    @torch.no_grad()
    def stored(self) -> SparseTable:
        """The sparse table of the same vectors."""
        return SparseTable.of(self.field_rows, self.rows, self.mask)
