"""One bit a place, and how many bits are set before it."""

import torch
from torch import Tensor, nn

from embedstudy.tables.core.packing import sampled_sums

_WORDS = 4  # of 64 bits in a block: one count of 32 bits for 256 places


class Bitmap(nn.Module):
    """Which of ``places`` are set, a bit each, with constant-time rank.

    The bits are stored, in whole blocks of 256. From them, when they are loaded, comes one number a
    block: how many places are set before it, 1/8 of the bits. The rest of a rank is counted in the
    words of the block (Jacobson, "Space-efficient static trees and graphs", FOCS 1989).

    Args:
        places: bits of the map.
    """

    def __init__(self, places: int):
        super().__init__()
        blocks = -(-places // (64 * _WORDS))
        self.register_buffer("bits", torch.zeros(blocks * _WORDS * 8, dtype=torch.uint8))
        self.register_buffer("before", torch.zeros(blocks, dtype=torch.int32), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.refresh())

    def fill(self, mask: Tensor) -> None:
        """Set the places where bool [places] ``mask`` is true, and no other."""
        size = 8 * len(self.bits)
        padded = torch.nn.functional.pad(mask.to(torch.uint8), (0, size - len(mask))).view(-1, 8)
        weights = torch.tensor([1 << i for i in range(8)], dtype=torch.uint8, device=mask.device)
        self.bits.copy_((padded * weights).sum(1, dtype=torch.uint8))
        self.refresh()

    def refresh(self) -> None:
        """Count anew the set places before each block."""
        self.before.copy_(sampled_sums(set_bits(self._blocks()).sum(1)))

    def isset(self, place: Tensor) -> Tensor:
        """Whether each place is set: bool, the shape of ``place`` (int64)."""
        return (self.bits[place >> 3] >> (place & 7) & 1).bool()

    def rank(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """(whether each place is set, number of set places before it), any shape."""
        word, bit = place >> 6, place & 63
        block = word // _WORDS
        words = self._blocks()[block]
        ahead = word.unsqueeze(-1) - block.unsqueeze(-1) * _WORDS
        ahead = ahead - torch.arange(_WORDS, device=place.device)  # of each word of the block
        # A word before that of the place counts whole, its own up to the place, a later one not.
        own = (torch.ones_like(bit) << bit) - 1
        seen = torch.where(ahead > 0, words, torch.where(ahead == 0, words & own.unsqueeze(-1), 0))
        return self.isset(place), self.before[block] + set_bits(seen).sum(-1)

    def _blocks(self) -> Tensor:
        """The bits as int64 [blocks, words]."""
        return self.bits.view(torch.int64).view(-1, _WORDS)


def set_bits(words: Tensor) -> Tensor:
    """How many bits of each int64 word are set: int64 of its shape, in sums of growing width."""
    pairs = words - (words >> 1 & 0x5555555555555555)
    fours = (pairs & 0x3333333333333333) + (pairs >> 2 & 0x3333333333333333)
    bytes_ = (fours + (fours >> 4)) & 0x0F0F0F0F0F0F0F0F
    return bytes_ * 0x0101010101010101 >> 56
