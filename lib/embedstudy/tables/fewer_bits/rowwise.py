"""Row-wise integers after training: int8, int4 and 2-bit tables as production servers store them.

Guan et al., "Post-Training 4-bit Quantization on Embedding Tables" (2019), and the row format of
FBGEMM and ``torchrec.quant``: each row's codes beside its scale and bias.
"""

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, check
from embedstudy.tables.core.packing import pack, packed_bytes, unpack
from embedstudy.tables.core.post_training import PostTraining
from embedstudy.tables.fewer_bits.half import fixed_size


class RowWise(PostTraining):
    """E[x] = scale_x * code_x + bias_x, codes of ``bits`` bits, scale and bias in fp16.

    bias_x is the row's minimum and scale_x its range over 2^bits - 1, both rounded to fp16 *before*
    the codes are chosen, so that the codes make up for it; codes are rounded to the nearest and
    clipped. FBGEMM writes fp32 scale and bias for 8 bits and fp16 for 4 and 2; here it is fp16
    throughout (b d / 8 + 4 bytes a row), its error being far below half a step.
    """

    method = "rowwise"

    def __init__(self, field_rows: list[int], dim: int, bits: int):
        super().__init__(field_rows, dim)
        check(self.method, "bits", bits, (8, 4, 2))
        self.bits, rows = bits, sum(field_rows)
        codes = torch.zeros(rows, packed_bytes(dim, bits), dtype=torch.uint8)
        self.register_buffer("codes", codes)
        self.register_buffer("scale_bias", torch.zeros(rows, 2, dtype=torch.float16))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, bits: int = 8) -> dict:
        sizes = {"field_rows": list(spec.field_rows), "dim": spec.dim, "bits": bits}
        return fixed_size(cls, sizes, budget)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        top = 2**self.bits - 1
        low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
        bias = low.half()
        scale = ((high - bias.float()) / top).half()
        steps = torch.where(scale == 0, 1.0, scale.float())
        codes = ((weight - bias.float()) / steps).round().clamp(0, top).long()
        self.codes.copy_(pack(codes, self.bits))
        self.scale_bias.copy_(torch.cat([scale, bias], 1))

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        codes = unpack(self.codes[flat], self.bits, self.dim).float()
        scale, bias = self.scale_bias[flat].float().split(1, 1)
        return (codes * scale + bias).view(*ids.shape, self.dim)

    def config(self) -> dict:
        return {"field_rows": self.field_rows, "dim": self.dim, "bits": self.bits}
