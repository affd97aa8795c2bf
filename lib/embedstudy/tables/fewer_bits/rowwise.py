"""Row-wise integers after training: int8, int4 and 2-bit tables as production servers store them.

Guan et al., "Post-Training 4-bit Quantization on Embedding Tables" (2019), and the row format of
FBGEMM and ``torchrec.quant``: each row's codes beside its scale and bias.
"""

import dataclasses
from typing import Self

import torch
from torch import Tensor

from embedstudy.tables.core.artefact import Compact
from embedstudy.tables.core.base import TableSpec, check
from embedstudy.tables.core.packing import pack, packed_bytes, unpack
from embedstudy.tables.core.post_training import PostTraining
from embedstudy.tables.fewer_bits.half import fixed_size

# torch's look-ups on the CPU: they read the codes, the scale and the bias of an id in one place, as
# FBGEMM lays them out, and wants the last two in fp32 beside 8 bits, in fp16 beside fewer.
_LOOKUPS = {
    8: (torch.ops.quantized.embedding_bag_byte_rowwise_offsets, torch.float32),
    4: (torch.ops.quantized.embedding_bag_4bit_rowwise_offsets, torch.float16),
    2: (torch.ops.quantized.embedding_bag_2bit_rowwise_offsets, torch.float16),
}


class RowWise(PostTraining):
    """E[x] = scale_x * code_x + bias_x, codes of ``bits`` bits, scale and bias in fp16.

    bias_x is the row's minimum and scale_x its range over 2^bits - 1, both rounded to fp16 *before*
    the codes are chosen, so that the codes make up for it; codes are rounded to the nearest and
    clipped. FBGEMM writes fp32 scale and bias for 8 bits and fp16 for 4 and 2; here it is fp16
    throughout (b d / 8 + 4 bytes a row), its error being far below half a step.

    In memory a row is what torch's look-up reads: codes, scale and bias side by side. That is as
    many bytes as in the file, but for 8 bits, where it is 4 bytes a row more.
    """

    method = "rowwise"
    config_keys = ("bits",)

    def __init__(self, field_rows: list[int], dim: int, bits: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bits: of a code: 8, 4 or 2.
        """
        super().__init__(field_rows, dim)
        check(self.method, "bits", bits, tuple(_LOOKUPS))
        self.bits, self.code_bytes = bits, packed_bytes(dim, bits)
        width = self.code_bytes + 2 * _LOOKUPS[bits][1].itemsize
        self.register_buffer("packed", torch.zeros(sum(field_rows), width, dtype=torch.uint8))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, bits: int = 8) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            bits: of a code: 8, 4 or 2.
        """
        return fixed_size(cls, spec.sizes() | {"bits": bits}, budget)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        top = 2**self.bits - 1
        low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
        bias = low.half()
        scale = ((high - bias.float()) / top).half()
        steps = torch.where(scale == 0, 1.0, scale.float())
        codes = ((weight - bias.float()) / steps).round().clamp(0, top).long()
        self.store(pack(codes, self.bits), torch.cat([scale, bias], 1))

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        if self.packed.device.type == "cpu":
            # A bag of one id each. A code times an fp16 scale is exact in fp32, so that the sum is
            # rounded once, as in ``decode``: the same bits.
            vectors = _LOOKUPS[self.bits][0](self.packed, flat.unsqueeze(1))[:, : self.dim]
        else:
            vectors = self.decode(self.packed[flat])
        return vectors.reshape(*ids.shape, self.dim)

    def decode(self, packed: Tensor) -> Tensor:
        """Vectors fp32 [n, dim] of packed rows, by the formula."""
        codes, scale_bias = self.split(packed)
        scale, bias = scale_bias.float().split(1, 1)
        return unpack(codes, self.bits, self.dim).float() * scale + bias

    def split(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """(codes uint8 [n, bytes], scale and bias fp16 [n, 2]) of packed rows."""
        numbers = packed[:, self.code_bytes :].contiguous().view(_LOOKUPS[self.bits][1])
        return packed[:, : self.code_bytes], numbers.half()

    def store(self, codes: Tensor, scale_bias: Tensor) -> None:
        """The inverse of ``split``, for all rows."""
        numbers = scale_bias.to(_LOOKUPS[self.bits][1]).view(torch.uint8)
        self.packed.copy_(torch.cat([codes, numbers], 1))

    @property
    def codes(self) -> Tensor:
        """The packed codes of all rows: uint8 [rows, bytes]."""
        return self.split(self.packed)[0]

    @property
    def scale_bias(self) -> Tensor:
        """Scale and bias of all rows: fp16 [rows, 2]."""
        return self.split(self.packed)[1]

    def compact(self) -> Compact:
        tensors = {"codes": self.codes, "scale_bias": self.scale_bias}
        return dataclasses.replace(super().compact(), tensors=tensors)

    @classmethod
    def restore(cls, config: dict, tensors: dict[str, Tensor]) -> Self:
        table = cls(**config)
        table.store(**tensors)
        return table
