"""Compression of a trained weight to fewer bits, against values computed by hand."""

import pytest
import torch
from safetensors.torch import load_file

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core.artefact import load, save
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.packing import pack, packed_bytes, unpack
from embedstudy.tables.fewer_bits.methods import METHODS
from embedstudy.tables.fewer_bits.pq import nearest


def spec_of(weight):
    return TableSpec((len(weight),), weight.shape[1], torch.ones(len(weight), dtype=torch.int64))


def compress(name, weight, share=2.0, **options):
    spec = spec_of(weight)
    return METHODS[name].compress(weight, spec, int(share * spec.full_bytes) + 1000, 0, **options)


def vectors(table, weight):
    return table(torch.arange(len(weight)))


def normal(rows=500, dim=16, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("codes", [1, 3, 8])
def test_packed_codes_come_back_without_a_gap(bits, codes):
    values = torch.randint(2**bits, (50, codes), generator=torch.Generator().manual_seed(bits))
    values[0], values[1] = 0, 2**bits - 1
    packed = pack(values, bits)
    assert packed.shape == (50, packed_bytes(codes, bits)) == (50, -(-codes * bits // 8))
    assert torch.equal(unpack(packed, bits, codes), values)


def test_packing_by_hand():
    assert pack(torch.tensor([[1, 2, 3]]), 4).tolist() == [[0x21, 0x03]]
    assert pack(torch.tensor([[0b101, 0b011, 0b111]]), 3).tolist() == [[0b11_011_101, 0b1]]


@pytest.mark.parametrize(("bits", "codes"), [(8, [0, 85, 255]), (4, [0, 5, 15]), (2, [0, 1, 3])])
def test_a_row_is_quantised_as_by_hand(bits, codes):
    weight = torch.tensor([[-1.0, 0.0, 2.0], [0.5, 0.5, 0.5]])
    table = compress("rowwise", weight, share=9, bits=bits)
    assert unpack(table.codes, bits, 3)[0].tolist() == codes
    scale = torch.tensor(3 / (2**bits - 1)).half()
    assert table.scale_bias.tolist() == [[scale.item(), -1.0], [0.0, 0.5]]
    by_hand = torch.tensor([codes]) * scale.float() - 1
    torch.testing.assert_close(vectors(table, weight)[:1], by_hand)
    assert vectors(table, weight)[1].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("dim", range(1, 18))
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_fast_look_up_gives_the_bits_of_the_formula(bits, dim):
    weight = normal(300, dim, seed=dim) * torch.logspace(-8, 4, 300).unsqueeze(1)
    weight[5], weight[6] = 0, 0.3
    table = compress("rowwise", weight, share=9, bits=bits)
    scale, bias = table.scale_bias.float().split(1, 1)
    by_hand = unpack(table.codes, bits, dim).float() * scale + bias
    ids = torch.randint(300, (4, 3, 5), generator=torch.Generator().manual_seed(dim))
    for some in (torch.arange(300), ids, ids[0], ids[0, 0, 0], ids[:0], ids[:, :0]):
        assert torch.equal(table(some), by_hand[some])
    assert torch.equal(table.decode(table.packed), by_hand), "as on a GPU"


@pytest.mark.parametrize(("bits", "code_bytes", "more"), [(8, 9, 4), (4, 5, 0), (2, 3, 0)])
def test_a_rowwise_file_holds_codes_and_fp16_numbers(bits, code_bytes, more, tmp_path):
    weight = normal(50, 9)
    table = compress("rowwise", weight, share=9, bits=bits)
    save(table.compact(), tmp_path / "table")
    tensors = load_file(tmp_path / "table")
    assert {name: (t.dtype, tuple(t.shape)) for name, t in tensors.items()} == {
        "codes": (torch.uint8, (50, code_bytes)),
        "scale_bias": (torch.float16, (50, 2)),
    }
    served = load(tmp_path / "table")
    assert torch.equal(vectors(served, weight), vectors(table, weight))
    resident = sum(t.numel() for t in served.state_dict().values())
    assert resident == 50 * (code_bytes + 4 + more), "codes and numbers are in memory once"


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_no_number_is_further_than_half_a_step_from_its_code(bits):
    weight = normal()
    table = compress("rowwise", weight, bits=bits)
    scale = table.scale_bias[:, :1].float()
    error = (vectors(table, weight) - weight).abs()
    # The rounding of scale and bias to fp16 shifts the ends of a row by at most this.
    assert (error <= scale / 2 + 2**-10 * weight.abs().amax(1, keepdim=True)).all()


def test_half_precision_rounds_to_the_nearest_and_keeps_its_range():
    weight = normal()
    assert torch.equal(vectors(compress("half", weight), weight), weight.half().float())
    low = vectors(compress("half", weight, dtype="bf16"), weight)
    assert torch.equal(low, weight.bfloat16().float())
    large = torch.tensor([[1e6, -1e6]])
    assert vectors(compress("half", large, share=200), large).tolist() == [[65504, -65504]]


def test_pq_gives_each_part_its_nearest_centroid_and_joins_them():
    weight = normal(3000)
    table = compress("pq", weight, share=0.2)
    codes = unpack(table.codes, table.bits, table.parts)
    assert torch.equal(codes, nearest(weight, table.centroids))
    part = weight[7].view(table.parts, -1)
    distances = [(part[p] - table.centroids[p]).square().sum(1) for p in range(table.parts)]
    assert codes[7].tolist() == [int(d.argmin()) for d in distances]
    by_hand = torch.cat([table.centroids[p, codes[7, p]] for p in range(table.parts)])
    assert torch.equal(table(torch.tensor(7)), by_hand)


def test_opq_rotates_and_loses_less_than_pq_where_one_part_has_all_the_variance():
    weight = normal(3000) * torch.tensor([1.0] * 4 + [0.05] * 12)
    plain, rotated = (compress("pq", weight, share=0.06, rotate=r) for r in (False, True))
    torch.testing.assert_close(
        rotated.rotation @ rotated.rotation.T, torch.eye(16), atol=1e-4, rtol=0
    )
    errors = [(vectors(t, weight) - weight).square().mean().item() for t in (plain, rotated)]
    assert (plain.parts, plain.bits) == (rotated.parts, rotated.bits)
    assert errors[1] < 0.9 * errors[0]


def test_pq_learns_no_more_centroids_than_there_are_rows():
    table = compress("pq", normal(rows=90))
    assert 2**table.bits <= 90
    assert vectors(table, normal(rows=90)).shape == (90, 16)
    with pytest.raises(InfeasibleBudget, match="at least 4 rows, this table has 3"):
        compress("pq", normal(rows=3))


def test_more_bytes_lose_less():
    weight = normal(3000)
    errors = [
        (vectors(compress("pq", weight, share=s), weight) - weight).square().mean().item()
        for s in (0.1, 0.2, 0.4)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_wrong_options_and_budgets_are_one_sentence():
    weight = normal()
    with pytest.raises(StudyError, match="option bits of rowwise must be one of 8, 4, 2, not 3"):
        compress("rowwise", weight, bits=3)
    with pytest.raises(StudyError, match="option dtype of half must be one of 'fp16', 'bf16'"):
        compress("half", weight, dtype="fp8")
    with pytest.raises(InfeasibleBudget, match=r"pq needs at least [\d,]+ bytes"):
        METHODS["pq"].compress(weight, spec_of(weight), 400, 0)
    with pytest.raises(InfeasibleBudget, match=r"half takes 1[\d,]+ bytes for this table"):
        METHODS["half"].compress(weight, spec_of(weight), 4000, 0)
