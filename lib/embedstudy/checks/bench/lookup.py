"""Look-ups: served tables beside ``nn.Embedding``, and row-wise integers beside fbgemm.

Every table is read from the file that a server loads. fbgemm is given the codes of that very file.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from embedstudy.checks.bench.turns import Peer, Row, beside
from embedstudy.core.seeding import generator
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table, TableSpec
from embedstudy.tables.fewer_bits.half import Half
from embedstudy.tables.fewer_bits.pq import PQ
from embedstudy.tables.fewer_bits.rowwise import RowWise
from embedstudy.tables.reference.full import Full
from embedstudy.tables.sharing_rows.hash import Hash

EMBEDDING = Peer("nn.Embedding", "torch")
FBGEMM = Peer("fbgemm", "fbgemm-gpu-cpu", "fbgemm-gpu-cpu")
_DIM = 16


@torch.inference_mode()
def compare(repeats: int, small: bool) -> list[Row]:
    """Ids a second, 4,096 of them in a call, drawn evenly, so that few are in a cache."""
    rows, asked = (2_000, 64) if small else (200_000, 4_096)
    rng = generator(0, "bench", "lookup")
    ids = torch.randint(0, rows, (asked,), generator=rng)
    embedding = nn.Embedding.from_pretrained(torch.empty(rows, _DIM).normal_(generator=rng))
    what = f"look up {asked:,} ids of {rows:,} x {_DIM}"
    measured = []
    for name, table in _tables(embedding.weight).items():
        measure = partial(beside, f"{what}, {name}", "ids", asked, partial(table, ids))
        measured.append(measure(EMBEDDING, lambda: partial(embedding, ids), repeats=repeats))
        if isinstance(table, RowWise):
            prepare = partial(fbgemm, table, ids)
            measured.append(measure(FBGEMM, prepare, repeats=repeats, goal=1.0))
    return measured


def _tables(weight: Tensor) -> dict[str, Table]:
    """Tables that stand for ``weight`` [rows, dim], as they come out of their files."""
    spec = TableSpec((len(weight),), weight.shape[1], torch.ones(len(weight), dtype=torch.int64))
    full = Full.build(spec, spec.full_bytes, 0)
    full.load_state_dict({"rows": weight})
    tables = {"full": full, "hash to a tenth": Hash.build(spec, spec.full_bytes // 10, 0)}
    for name, method, options in (
        ("fp16", Half, {}),
        ("int8", RowWise, {"bits": 8}),
        ("int4", RowWise, {"bits": 4}),
        ("PQ to a tenth", PQ, {}),
    ):
        budget = spec.full_bytes // 10 if method is PQ else spec.full_bytes
        tables[name] = method.compress(weight, spec, budget, 0, **options)
    return {name: _served(table) for name, table in tables.items()}


def _served(table: Table) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.safetensors"
        artefact.save(table.compact(), path)
        return artefact.load(path)


def fbgemm(table: RowWise, ids: Tensor) -> Callable[[], Tensor]:
    """A call that looks ``ids`` [n] up in fbgemm's table of the same codes: fp32 [n, dim]."""
    import fbgemm_gpu  # noqa: F401 - registers its operators
    from fbgemm_gpu.split_embedding_configs import SparseType
    from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
    from fbgemm_gpu.split_table_batched_embeddings_ops_inference import (
        IntNBitTableBatchedEmbeddingBagsCodegen,
    )

    file = table.compact().tensors
    numbers = {8: SparseType.INT8, 4: SparseType.INT4}[table.bits]
    served = IntNBitTableBatchedEmbeddingBagsCodegen(
        [("", len(file["codes"]), table.dim, numbers, EmbeddingLocation.HOST)],
        pooling_mode=PoolingMode.SUM,
        output_dtype=SparseType.FP32,
        device="cpu",
        weight_lists=[(file["codes"], file["scale_bias"].view(torch.uint8))],
    )
    bags = torch.arange(len(ids) + 1, dtype=torch.int32)  # one id in each
    return partial(served, ids.int(), bags)
