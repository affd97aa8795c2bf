"""Which ids are frequent, in the fewest bytes that a server can look it up from."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.base import TableSpec


class Frequent(nn.Module):
    """Tells the kept (frequent) ids from the others and numbers them from 0.

    Id 0 of a field, its out-of-vocabulary row, is never among them.

    Args:
        kept: as a list: field f keeps its ids 1 to kept[f]; a comparison decides, the file holds
            one number a field. As an int: that many ids from all over, held in the file as sorted
            int32 keys, 4 bytes each, for vocabularies that are not ordered by frequency.
        starts: int64 [fields], the first id of each field.
    """

    def __init__(self, kept: list[int] | int, starts: Tensor):
        super().__init__()
        self.number = kept if isinstance(kept, int) else sum(kept)
        if isinstance(kept, int):
            self.register_buffer("keys", torch.empty(kept, dtype=torch.int32))
            return
        self.keys = None
        limits = torch.tensor(kept, device="cpu")
        before = limits.cumsum(0) - limits
        self.register_buffer("last", starts + limits, persistent=False)  # [fields]
        self.register_buffer("first", starts, persistent=False)
        self.register_buffer("shift", before - starts - 1, persistent=False)

    def reset(self, spec: TableSpec) -> None:
        """Choose the ids to keep, where a comparison does not say it."""
        if self.keys is not None:
            self.keys.copy_(most_frequent(spec)[: self.number].sort().values)

    def forward(self, ids: Tensor, field: Tensor) -> tuple[Tensor, Tensor]:
        """(kept or not, number among the kept), both of the shape of ``ids``.

        The number of an id that is not kept means nothing and may lie out of range.
        """
        if self.keys is None:
            kept = (ids > self.first[field]) & (ids <= self.last[field])
            return kept, ids + self.shift[field]
        if self.number == 0:
            return torch.zeros_like(ids, dtype=torch.bool), ids
        keys = ids.int()
        number = torch.searchsorted(self.keys, keys).clamp(max=self.number - 1)
        return self.keys[number] == keys, number


def choices(spec: TableSpec) -> Callable[[int], list[int] | int]:
    """How to keep the n most frequent ids, as a function of n: what ``Frequent`` takes."""
    if not ordered(spec):
        return lambda number: number
    field = torch.arange(len(spec.field_rows)).repeat_interleave(torch.tensor(spec.field_rows))
    field = field[most_frequent(spec)]
    fields = len(spec.field_rows)
    return lambda number: field[:number].bincount(minlength=fields).tolist()


def ordered(spec: TableSpec) -> bool:
    """Whether each field's ids, its first one aside, are ordered by descending frequency."""
    return all((counts[1:].diff() <= 0).all() for counts in spec.field_counts())


def check_frequency_order(method: str, spec: TableSpec) -> None:
    """Raise ``StudyError`` unless ids are ordered as ``method`` (its name) needs: see ``ordered``."""
    for field, counts in enumerate(spec.field_counts()):
        rises = (counts[1:].diff() > 0).nonzero()
        if len(rises):
            local = 1 + int(rises[0])
            raise StudyError(
                f"{method} needs the ids of a field ordered by descending training frequency, the "
                f"first one aside, but in field {field} id {local + 1} occurs "
                f"{int(counts[local + 1]):,} times and id {local} only {int(counts[local]):,}: "
                "number the ids anew by frequency."
            )


def most_frequent(spec: TableSpec) -> Tensor:
    """The global ids by descending frequency (ties: ascending), first ids of fields left out."""
    first = torch.tensor((0, *spec.field_rows))[:-1].cumsum(0)
    order = spec.counts.sort(descending=True, stable=True).indices
    return order[~torch.isin(order, first)]
