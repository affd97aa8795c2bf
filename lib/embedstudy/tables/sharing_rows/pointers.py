"""Pointers of ids to shared rows, read on any device."""

import torch
from torch import Tensor


def pointed(pointers: Tensor, place: Tensor) -> Tensor:
    """What uint16 or int32 ``pointers`` [n] hold at int64 ``place`` [...]: int64, its shape.

    CUDA does not index numbers of type uint16, but it does those of type int16, of the same bits.
    """
    if pointers.dtype != torch.uint16:
        return pointers[place].long()
    return pointers.view(torch.int16)[place].long() & 0xFFFF
