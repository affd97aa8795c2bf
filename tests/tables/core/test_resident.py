"""What served tables hold in memory, beside the bytes of their files."""

import pytest
import torch
from torch import nn

from embedstudy.tables.core.artefact import load, save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.resident import resident_bytes
from embedstudy.tables.fewer_dimensions.blocks import frequency_bounds
from embedstudy.tables.fewer_dimensions.kept_rows import KeptRows
from embedstudy.tables.fewer_dimensions.soft_selection import cut_to_fit
from embedstudy.tables.fewer_nonzeros.sparse import SparseTable, best_mask
from embedstudy.tables.reference.full import Full

FIELDS = (40_000, 15_000, 5_000)
COUNTS = torch.cat([1 + 100_000 // (1 + torch.arange(n)) for n in FIELDS])
SPEC = TableSpec(FIELDS, 16, COUNTS, 0.01)


def weight():
    """Vectors whose size falls with the frequency of their id, as those of trained tables do."""
    rng = torch.Generator().manual_seed(0)
    return torch.randn(SPEC.rows, 16, generator=rng) * COUNTS.float().pow(0.3).unsqueeze(1)


def sparse(budget):
    dense = weight()
    return SparseTable.of(list(FIELDS), dense, best_mask("test", SPEC, dense.abs(), budget))


def kept_rows(budget):
    dims = (16, 8, 4)
    mask = torch.zeros(SPEC.rows, dtype=torch.bool)
    for start, dim in zip(torch.tensor([0, *FIELDS]).cumsum(0).tolist(), dims, strict=False):
        mask[start : start + (budget - SPEC.rows // 8) // (4 * 3 * dim)] = True
    kept = [int(part.sum()) for part in mask.split(list(FIELDS))]
    table = KeptRows(list(FIELDS), 16, kept, list(dims))
    table.fill(weight(), mask)
    return table


def blocks(budget):
    bounds = frequency_bounds(SPEC, 20)
    scores = torch.rand(20, 16, generator=torch.Generator().manual_seed(3))
    table = cut_to_fit("test", SPEC, bounds, scores, budget)
    table.fill(weight())
    return table


@pytest.mark.parametrize(
    ("build", "share"),
    [
        (sparse, 1 / 2), (sparse, 1 / 10), (sparse, 1 / 100),
        (kept_rows, 1 / 10), (kept_rows, 1 / 100),
        (blocks, 1 / 10), (blocks, 1 / 100),
    ],
)  # fmt: skip
def test_memory_holds_little_more_than_the_file(build, share, tmp_path):
    budget = int(share * SPEC.full_bytes)
    table = build(budget)
    size = save(table.compact(), tmp_path / "table")
    assert 0.7 * budget < size < 1.01 * budget
    served = load(tmp_path / "table")
    assert resident_bytes(served) <= 1.15 * size
    ids = torch.arange(SPEC.rows)
    assert torch.equal(served(ids), table(ids))


def test_both_forms_of_a_sparse_table_are_measured():
    assert [sparse(SPEC.full_bytes // part).form for part in (2, 100)] == ["bitmap", "csr"]


def test_a_storage_counts_once_and_what_is_not_in_the_file_counts():
    table = Full(list(FIELDS), 16)
    assert resident_bytes(table) == SPEC.full_bytes + 3 * 8  # the first id of each field
    table.register_buffer("view", table.rows.detach()[:5], persistent=False)
    assert resident_bytes(table) == SPEC.full_bytes + 3 * 8
    module = nn.Module()
    module.register_buffer("part", torch.zeros(100)[:5])
    assert resident_bytes(module) == 400, "a view keeps the whole that it views"
