"""Seeded universal hashing of ids, and how many slots each field gets.

A label-encoded id modulo m is not a hash: neighbouring ids never meet and the pattern repeats with
period m. Nor is ((a x + b) mod p) mod m good enough: on ids that follow one another, a takes
20,000 of them to anything from 1,000 to 10,000 of 10,000 slots, depending on the seed, where chance
gives 8,647 +- 35. Polynomials of degree 3 (Wegman and Carter 1981) give what chance gives.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embedstudy.core.seeding import derive

PRIME = 2**31 - 1  # v x + c stays below 2**62 for v, x, c < p: int64 never overflows


class UniversalHash:
    """h(x) = (((c3 x + c2) x + c1) x + c0) mod p) mod m: four-wise independent over ids x < p.

    The coefficients follow from the two arguments alone (SHA-256), so a file holds the seed and no
    coefficient. Applied to the ids of the whole table, it is a different, independent function for
    each field.

    Args:
        seed: of the coefficients.
        nth: tells the independent functions of one seed apart.
    """

    def __init__(self, seed: int, nth: int = 0):
        self.coefficients = [derive(seed, "hash", nth, i) % PRIME for i in range(4)]

    def __call__(self, ids: Tensor, slots: int | Tensor) -> Tensor:
        """int64 in [0, slots), the shape of ``ids``; ``slots`` may differ from id to id."""
        c3, c2, c1, c0 = self.coefficients
        value = (c3 * ids + c2) % PRIME
        value = (value * ids + c1) % PRIME
        return (value * ids + c0) % PRIME % slots


class FieldHash(nn.Module):
    """Maps the ids of a table to slots, each field to slots of its own.

    The fields' slots lie one after another; a field with at least as many slots as ids is not
    hashed: its x-th id has its x-th slot.

    Args:
        seed, nth: of the ``UniversalHash``.
        rows: ids of each field.
        slots: slots of each field.
    """

    def __init__(self, seed: int, nth: int, rows: Sequence[int], slots: Sequence[int]):
        super().__init__()
        self.hash = UniversalHash(seed, nth)
        shifts, start, base = [], 0, 0
        for n, m in zip(rows, slots, strict=True):
            shifts.append(base - start if m >= n else base)
            start, base = start + n, base + m
        whole = [m >= n for n, m in zip(rows, slots, strict=True)]
        for name, values in (("slots", slots), ("shift", shifts), ("whole", whole)):
            tensor = torch.tensor(values, device="cpu")
            self.register_buffer(name, tensor, persistent=False)  # [fields]

    def forward(self, ids: Tensor, field: Tensor) -> Tensor:
        """int64 slots of ``ids``, which lie in the fields ``field``; all of one shape."""
        hashed = self.hash(ids, self.slots[field])
        return torch.where(self.whole[field], ids, hashed) + self.shift[field]


def field_slots(rows: Sequence[int], size: int, floor: int) -> list[int]:
    """Slots of each field: its share of ``size``, at least ``floor``, never more than its rows.

    One common ratio, size / (sum of the rows), for all fields; the floor keeps fields of a few
    values (weekday, gender) from being collapsed into a single row.
    """
    total = sum(rows)
    return [min(n, max(floor, -(-n * size // total))) for n in rows]


def affordable_floor(rows: Sequence[int], wanted: int, slots: int) -> int:
    """The largest floor up to ``wanted`` that spends at most half of ``slots``; at least 1."""
    for floor in range(wanted, 1, -1):
        if sum(min(n, floor) for n in rows) <= slots // 2:
            return floor
    return 1
