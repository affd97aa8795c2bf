"""The file that a server loads, the prediction of its size to the byte, and files of strangers."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.artefact import _DTYPES, Compact, load, save
from embedstudy.tables.sharing_rows.hash import Hash

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


FULL = {"field_rows": [2, 3], "dim": 3}
HASH = "tables.sharing_rows.hash:Hash"
HASHED = {"field_rows": [9], "dim": 3, "size": 5, "floor": 1, "seed": 0}
ROBE = {"field_rows": [9], "dim": 3, "z": 1, "sign": True, "size": 15, "seed": 0}


def write(path, header, **tensors):
    """A file with any header, of a tensor ``rows`` unless others are given."""
    header = header if isinstance(header, str) else json.dumps(header)
    save_file(tensors or {"rows": torch.zeros(5, 3)}, path, metadata={"embedstudy": header})
    return path


@pytest.mark.parametrize(
    "header",
    [
        # no header at all
        "",
        "{",
        "null",
        "[" * 2000,
        '["tables.reference.full:Full"]',
        [SERVER, []],
        [3, FULL],
        [SERVER, FULL, "more"],
        # classes that are no served table
        ["os:system", {"command": "id"}],
        ["..os:system", FULL],
        ["study.tables.run:work", FULL],
        ["tables.core.base:Table", FULL],
        ["tables.sharing_rows.hotsketch:HotSketch", FULL],
        ["tables.reference.full:nn", FULL],
        ["tables.reference.full:Table", FULL],
        ["tables.reference.full:Gone", FULL],
        ["tables.reference.gone:Full", FULL],
        ["tables.sharing_rows.methods:Hash", HASHED],
        ["tables.reference.full:Full.restore", FULL],
        # sizes that make no sense, or are not those of the tensors
        [SERVER, {}],
        [SERVER, {"field_rows": [5]}],
        [SERVER, FULL | {"more": 1}],
        [SERVER, FULL | {"dim": 10**18}],
        [SERVER, FULL | {"dim": -5}],
        [SERVER, FULL | {"dim": 0}],
        [SERVER, FULL | {"dim": 3.0}],
        [SERVER, FULL | {"dim": "3"}],
        [SERVER, FULL | {"dim": 4}],
        [SERVER, FULL | {"field_rows": []}],
        [SERVER, FULL | {"field_rows": 5}],
        [SERVER, FULL | {"field_rows": [10**18]}],
        [SERVER, FULL | {"field_rows": [6, -1]}],
        [SERVER, FULL | {"field_rows": [2, 4]}],
        [HASH, HASHED | {"size": 10**18}],
        [HASH, HASHED | {"size": -1}],
        [HASH, HASHED | {"size": 7}],
        [HASH, HASHED | {"seed": "x"}],
        ["tables.sharing_rows.robe:ROBE", ROBE | {"dim": 10**18}],
        ["tables.sharing_rows.hash_embeddings:HashEmbeddings", HASHED | {"hashes": 10**15}],
        '["tables.reference.full:Full", {"field_rows": [NaN], "dim": 3}]',
        '["tables.reference.full:Full", {"field_rows": [5], "dim": 1' + "0" * 5000 + "}]",
    ],
    ids=lambda header: str(header)[:60],
)
def test_a_header_of_a_stranger_is_one_sentence(tmp_path, header):
    path = write(tmp_path / "t.safetensors", header)
    with pytest.raises(StudyError, match=r"t\.safetensors describes no table that can be") as told:
        load(path)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600


def test_tensors_must_be_those_that_the_sizes_ask_for(tmp_path):
    path = tmp_path / "t.safetensors"
    assert load(write(path, [HASH, HASHED]))(torch.arange(9)).shape == (9, 3)
    rows = torch.zeros(5, 3)
    for tensors, sentence in (
        ({"rows": rows.half()}, r"rows is F16 \[5, 3\] where its sizes ask for F32 \[5, 3\]"),
        ({"rows": rows.flatten()}, r"rows is F32 \[15\]"),
        ({"rows": rows, "more": rows + 1}, "more is F32 .* where its sizes ask for nothing"),
        ({"other": rows}, "rows is nothing where its sizes ask for F32"),
    ):
        with pytest.raises(StudyError, match=sentence):
            load(write(path, [HASH, HASHED], **tensors))


def test_nothing_is_built_for_a_size_that_only_the_header_has(tmp_path, monkeypatch):
    """No constructor is called outside the meta device before the tensors were compared."""
    built = []
    init = Hash.__init__

    def watched(self, *arguments, **options):
        built.append(torch.empty(1).device.type)
        init(self, *arguments, **options)

    monkeypatch.setattr(Hash, "__init__", watched)
    with pytest.raises(StudyError):
        load(write(tmp_path / "t.safetensors", [HASH, HASHED | {"size": 6}]))
    assert built == ["meta"]
    load(write(tmp_path / "t.safetensors", [HASH, HASHED]))
    assert built == ["meta", "meta", "cpu"]
