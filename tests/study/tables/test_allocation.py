"""The picture of dimensions is read from served files."""

import polars as pl
import pytest
import torch

from embedstudy.core import paths
from embedstudy.study.tables.allocation import allocations
from embedstudy.tables.core.artefact import save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.fewer_dimensions.blocks import BlockTable
from embedstudy.tables.fewer_dimensions.kept_rows import KeptRows
from embedstudy.tables.reference.full import Full


def test_blocks_are_shares_of_a_field_and_kept_rows_a_mean(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setenv("EMBEDSTUDY_PIPELINE", "1")
    fields = [41, 31, 5]
    kept = KeptRows(fields, 8, [20, 31, 0], [8, 2, 4])
    mask = torch.cat([torch.arange(n) < k for n, k in zip(fields, kept.kept, strict=True)])
    kept.fill(torch.randn(77, 8, generator=torch.Generator().manual_seed(0)), mask)
    blocks = BlockTable(fields, 8, [[0, 10, 41], [0, 1, 31], [0, 5, 5]], [[0, 1, 2], [7]])
    blocks.fill(torch.ones(77, 8))
    full = Full.build(TableSpec(tuple(fields), 8, torch.ones(77)), 10**6, 0)
    rows = []
    for label, table in (("OptEmbed", kept), ("DNIS", blocks), ("other", full)):
        save(table.compact(), tmp_path / "tables" / "one" / "artefacts" / f"{label}.safetensors")
        rows.append({"key": label, "label": label, "dataset": prepared, "budget": 0.5, "seed": 0,
                     "status": "ok"})  # fmt: skip
    frame = allocations("tables/one", pl.DataFrame(rows), prepared, 0.5)
    lines = {(line["label"], line["field"], round(line["start"], 3)): line["dims"]
             for line in frame.to_dicts()}  # fmt: skip
    assert lines == {
        ("OptEmbed", "field0", 0): pytest.approx(8 * 20 / 41),
        ("OptEmbed", "field1", 0): 2.0,
        ("OptEmbed", "field2", 0): 0.0,
        ("DNIS", "field0", 0): 3.0,
        ("DNIS", "field0", round(10 / 41, 3)): 1.0,
        ("DNIS", "field1", 0): 3.0,
        ("DNIS", "field1", round(1 / 31, 3)): 1.0,
        ("DNIS", "field2", 0): 3.0,
    }
    assert allocations("tables/one", pl.DataFrame(rows), prepared, 0.1).is_empty()
