"""Codes of a few bits, packed into bytes without gaps within a row."""

import torch
from torch import Tensor

from embedstudy.core.errors import StudyError


def packed_bytes(codes: int, bits: int) -> int:
    """Bytes of a row of ``codes`` codes of ``bits`` bits each."""
    return -(-codes * bits // 8)


def pack(codes: Tensor, bits: int) -> Tensor:
    """int64 [n, m] with values in [0, 2**bits) -> uint8 [n, ceil(m * bits / 8)], 1 <= bits <= 16.

    Bit i of code j is bit (j * bits + i) of its row, counted from the lowest bit of the first byte.
    """
    n, m = codes.shape
    if bits == 8:
        return codes.to(torch.uint8)
    stream = (codes.unsqueeze(-1) >> torch.arange(bits, device=codes.device)) & 1
    stream = stream.view(n, m * bits).to(torch.uint8)
    padded = torch.nn.functional.pad(stream, (0, -(m * bits) % 8)).view(n, -1, 8)
    weights = 1 << torch.arange(8, device=codes.device)
    return (padded * weights).sum(-1).to(torch.uint8)


def unpack(packed: Tensor, bits: int, codes: int) -> Tensor:
    """The inverse of ``pack``: uint8 [n, bytes] -> int64 [n, codes]."""
    if bits == 8:
        return packed.long()
    if 8 % bits == 0:  # a code lies within a byte
        shifts = torch.arange(0, 8, bits, device=packed.device, dtype=torch.uint8)
        parts = (packed.unsqueeze(-1) >> shifts) & (2**bits - 1)
        return parts.flatten(1)[:, :codes].long()
    # A code of at most 16 bits touches at most three bytes.
    padded = torch.nn.functional.pad(packed, (0, 2)).long()
    first = torch.arange(codes, device=packed.device) * bits
    byte = first // 8
    words = padded[:, byte] | padded[:, byte + 1] << 8 | padded[:, byte + 2] << 16
    return (words >> first % 8) & (2**bits - 1)


def take(packed: Tensor, bits: int, index: Tensor) -> Tensor:
    """Codes number ``index`` (int64, any shape) of one packed row uint8 [bytes]: int64.

    The row must end in two spare bytes, as ``pack_row`` leaves them.
    """
    first = index * bits
    byte = first >> 3
    words = packed[byte].long() | packed[byte + 1].long() << 8 | packed[byte + 2].long() << 16
    return (words >> (first & 7)) & (2**bits - 1)


def pack_row(codes: Tensor, bits: int) -> Tensor:
    """int64 [m] as one packed row with two spare bytes: uint8 [row_bytes(m, bits)]."""
    packed = pack(codes.unsqueeze(0), bits).squeeze(0)
    return torch.nn.functional.pad(packed, (0, 2))


def row_bytes(codes: int, bits: int) -> int:
    """Bytes of ``pack_row``."""
    return packed_bytes(codes, bits) + 2


def sampled_sums(lengths: Tensor, every: int = 1) -> Tensor:
    """Sums of int64 [m] ``lengths`` before the first of every ``every`` of them: int32 [ceil(m / every)].

    What lies between is summed at look-up, so that memory holds little beside the lengths.
    """
    sums = lengths.cumsum(0)
    total = int(sums[-1]) if len(sums) else 0
    if total >= 2**31:
        raise StudyError(
            f"A sparse table holds at most {2**31 - 1:,} numbers, this one has {total:,}: cut it "
            "into several."
        )
    return (sums - lengths)[::every].int()


def padded(rows: Tensor, parts: int) -> Tensor:
    """Rows [n, d] with zero columns up to a multiple of ``parts``."""
    return torch.nn.functional.pad(rows, (0, -rows.shape[1] % parts))
