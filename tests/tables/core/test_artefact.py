"""The file that a server loads, and the prediction of its size to the byte."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.artefact import _DTYPES, Compact, load, save

SERVER = "tables.reference.full:Full"
shapes = st.lists(st.integers(0, 5), max_size=3)
names = st.text('abcdefgh_.ü"\\', min_size=1, max_size=6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    tensors=st.dictionaries(
        names, st.tuples(shapes, st.sampled_from(sorted(_DTYPES, key=str))), max_size=4
    ),
    config=st.dictionaries(names, st.integers(), max_size=3),
)
def test_bytes_are_those_of_the_file(tmp_path_factory, tensors, config):
    compact = Compact(
        SERVER, config, {n: torch.zeros(shape, dtype=d) for n, (shape, d) in tensors.items()}
    )
    path = tmp_path_factory.mktemp("artefact") / "t.safetensors"
    assert compact.bytes() == save(compact, path) == path.stat().st_size


def test_bytes_of_tensors_that_are_not_allocated():
    with torch.device("meta"):
        rows = torch.empty(10**9, 16)
    assert 64 * 10**9 < Compact(SERVER, {}, {"rows": rows}).bytes() < 64 * 10**9 + 200


def test_round_trip_keeps_values_and_makes_folders(tmp_path):
    table = {"rows": torch.randn(5, 3)}
    path = tmp_path / "deep" / "t.safetensors"
    save(Compact(SERVER, {"field_rows": [2, 3], "dim": 3}, table), path)
    served = load(path)
    assert not served.training
    assert torch.equal(served(torch.arange(5)), table["rows"])
    with safe_open(path, framework="pt") as file:  # a plain safetensors file to anyone else
        assert torch.equal(file.get_tensor("rows"), table["rows"])


def test_views_are_written_without_what_they_view(tmp_path):
    wide = torch.randn(4, 8)
    compact = Compact(SERVER, {"field_rows": [4], "dim": 2}, {"rows": wide[:, ::4]})
    assert save(compact, tmp_path / "t.safetensors") == compact.bytes()
    assert torch.equal(load(tmp_path / "t.safetensors").rows, wide[:, ::4])


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "t.safetensors"
    save(Compact(SERVER, {"field_rows": [5], "dim": 3}, {"rows": torch.randn(5, 3)}), path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StudyError, match=r"t\.safetensors is not a readable"):
        load(path)


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"rows": torch.zeros(2)}, tmp_path / "t.safetensors")
    with pytest.raises(StudyError, match="not written by this study"):
        load(tmp_path / "t.safetensors")
