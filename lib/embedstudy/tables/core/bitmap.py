"""One bit a place, and how many bits are set before it."""

import torch
from torch import Tensor, nn

_SET_BITS = torch.tensor([i.bit_count() for i in range(256)], dtype=torch.int64)


class Bitmap(nn.Module):
    """Which of ``places`` are set, packed eight to a byte, with constant-time rank.

    The bits are stored; the counts that rank needs are derived from them when they are loaded.

    Args:
        places: bits of the map.
    """

    def __init__(self, places: int):
        super().__init__()
        size = -(-places // 8)
        self.register_buffer("bits", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("before", torch.zeros(size, dtype=torch.int64), persistent=False)
        self.register_buffer("set_bits", _SET_BITS.clone(), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.refresh())

    def fill(self, mask: Tensor) -> None:
        """Set the places where bool [places] ``mask`` is true."""
        padded = torch.nn.functional.pad(mask.to(torch.uint8), (0, -len(mask) % 8)).view(-1, 8)
        weights = torch.tensor([1 << i for i in range(8)], dtype=torch.uint8, device=mask.device)
        self.bits.copy_((padded * weights).sum(1, dtype=torch.uint8))
        self.refresh()

    def refresh(self) -> None:
        """Count anew the set bits before each byte."""
        counts = self.set_bits[self.bits.long()]
        self.before = counts.cumsum(0) - counts

    def rank(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """(whether each place is set, number of set places before it), any shape."""
        byte = self.bits[place >> 3].long()
        bit = place & 7
        lower = byte & ((1 << bit) - 1)
        return (byte >> bit & 1).bool(), self.before[place >> 3] + self.set_bits[lower]
