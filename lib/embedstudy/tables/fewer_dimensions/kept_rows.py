"""What OptEmbed serves: the kept rows, each with the first dimensions of its field."""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.base import Table, lookup
from embedstudy.tables.core.bitmap import Bitmap


class KeptRows(Table):
    """E[x] = (E'[rank(x)], 0, ..., 0) if x is kept, else zero.

    One bit an id tells which are kept; its rank among them is its row. Fields of one dimension are
    stored together.
    """

    method = "kept_rows"
    config_keys = ("kept", "dims")

    def __init__(self, field_rows: list[int], dim: int, kept: list[int], dims: list[int]):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            kept: how many rows each field keeps.
            dims: dimension of each field's kept rows, 0 to ``dim``.
        """
        super().__init__(field_rows, dim)
        self.kept, self.dims = list(kept), list(dims)
        self.map = Bitmap(sum(field_rows))
        self.widths = sorted({d for d, n in zip(dims, kept, strict=True) if d and n})
        first, before = [0] * len(dims), torch.tensor([0, *kept], device="cpu").cumsum(0)[:-1]
        self.rows = nn.ParameterList()
        for width in self.widths:
            total = 0
            for f in (f for f, d in enumerate(dims) if d == width):
                first[f], total = total, total + kept[f]
            self.rows.append(nn.Parameter(torch.empty(total, width)))
        # Row of a kept id in the matrix of its field: rank among all kept ids + shift of the field.
        shift = torch.tensor(first, device="cpu") - before
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("dim_of", torch.tensor(dims, device="cpu"), persistent=False)

    @torch.no_grad()
    def fill(self, weight: Tensor, mask: Tensor) -> None:
        """Take the rows of fp32 [rows, dim] ``weight`` where bool [rows] ``mask`` is true, and move to
        their device."""
        self.to(mask.device)
        self.map.fill(mask)
        ids = mask.nonzero().squeeze(1)
        field = self.field_of(ids)
        place = torch.arange(len(ids), device=ids.device) + self.shift[field]
        for width, rows in zip(self.widths, self.rows, strict=True):
            mine = self.dim_of[field] == width
            rows[place[mine]] = weight[ids[mine], :width]

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        field = self.field_of(flat)
        kept, rank = self.map.rank(flat)
        place, dims = rank + self.shift[field], self.dim_of[field]
        vectors = torch.zeros(len(flat), self.dim, device=ids.device)
        for width, rows in zip(self.widths, self.rows, strict=True):
            mine = (kept & (dims == width)).nonzero().squeeze(1)
            part = nn.functional.pad(lookup(rows, place[mine]), (0, self.dim - width))
            vectors = vectors.index_copy(0, mine, part)
        return vectors.view(*ids.shape, self.dim)

    def allocation(self) -> list[dict]:
        """One line a field: field, first (local id), rows (of the field), dims, kept (rows kept)."""
        return [
            {"field": f, "first": 0, "rows": n, "dims": d, "kept": k}
            for f, (n, d, k) in enumerate(zip(self.field_rows, self.dims, self.kept, strict=True))
        ]
