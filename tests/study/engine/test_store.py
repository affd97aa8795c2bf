import errno
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from fake_work import FakeRun

from embedstudy.core import files
from embedstudy.core.errors import StudyError
from embedstudy.study.engine import rows
from embedstudy.study.engine.outcome import Finished, Outcome
from embedstudy.study.engine.store import RunStore, canonical, digest, plain

RUN = FakeRun(method="mean")


def finished(size=100):
    outcome = Outcome(
        {"auc": 0.1 + 0.2, "epochs": np.int64(3), "missing": float("nan")},
        {"seconds": np.float32(1.5)},
        {"test": np.arange(size, dtype=np.float32)},
        {"table.bin": bytes(range(256)) * 4},
    )
    return Finished("ok", outcome)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def test_what_is_put_is_got_to_the_last_bit(store, tmp_path):
    assert store.get("a") is None
    store.put("a", RUN, finished())
    got = store.get("a")
    assert (got.status, got.error) == ("ok", None)
    assert got.outcome.result == {"auc": 0.1 + 0.2, "epochs": 3, "missing": None}
    assert got.outcome.volatile == {"seconds": 1.5}
    assert got.outcome.arrays["test"].tobytes() == np.arange(100, dtype=np.float32).tobytes()
    assert got.outcome.files == {}
    assert store.get("a", with_files=True).outcome.files == finished().outcome.files
    assert store.files("a") == ["table.bin"]
    store.extract("a", "table.bin", tmp_path / "deep" / "copy.bin")
    assert (tmp_path / "deep" / "copy.bin").read_bytes() == bytes(range(256)) * 4


def test_a_file_given_as_a_path_is_taken_over(store, tmp_path):
    artefact = tmp_path / "big.bin"
    artefact.write_bytes(b"large")
    store.put("a", RUN, Finished("ok", Outcome({}, files={"big.bin": artefact})))
    assert not artefact.exists()
    store.extract("a", "big.bin", artefact)
    assert artefact.read_bytes() == b"large"


def test_a_later_record_replaces_an_earlier_one(store):
    store.put("a", RUN, Finished("failed", error="no", traceback="line 3"))
    assert store.get("a").error == "no"
    store.put("a", RUN, finished())
    assert store.get("a").status == "ok"


@pytest.mark.parametrize("kept", [0, 10, 400, -1])
def test_a_truncated_record_is_absent(store, kept):
    store.put("a", RUN, finished())
    content = store.path("a").read_bytes()
    store.path("a").write_bytes(content[:kept])
    assert store.get("a") is None


def test_a_changed_byte_anywhere_is_noticed_or_harmless(store):
    store.put("a", RUN, finished(size=5))
    whole, expected = store.path("a").read_bytes(), store.get("a")
    noticed = 0
    for place in range(0, len(whole), 7):
        store.path("a").write_bytes(
            whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        )
        got = store.get("a")
        noticed += got is None
        assert got is None or got.outcome.result == expected.outcome.result
    assert noticed > len(whole) // 7 * 0.8


def test_no_space_left_is_one_sentence_and_leaves_earlier_records(store, monkeypatch):
    store.put("a", RUN, finished())

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    for key in ("a", "b"):
        with pytest.raises(StudyError, match=r"Cannot write .*: No space left on device\. Runs"):
            store.put(key, RUN, Finished("failed", error="new"))
    assert store.get("a").status == "ok"
    assert store.get("b") is None
    assert [path.name for path in store.folder.iterdir()] == ["a.zip"]


def test_scratch_files_of_killed_processes_are_swept(store):
    store.put("a", RUN, finished())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = store.folder / f".b.zip.{gone.pid}.tmp"
    left.write_bytes(b"half")
    mine = store.folder / f".c.zip.{os.getpid()}.tmp"
    mine.write_bytes(b"half")
    files.sweep(store.folder)
    assert not left.exists()
    assert mine.exists()


RECORD = {"run": {}, "status": "ok", "error": None, "traceback": None, "result": {}, "volatile": {}}


def numbers(values):
    buffer = io.BytesIO()
    np.save(buffer, np.array(values))
    return buffer.getvalue()


def craft(store, members, record=RECORD, packed=zipfile.ZIP_STORED):
    """A record as nobody's ``put`` writes it, under the key "a"."""
    store.folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(store.path("a"), "w", packed) as file:
        file.writestr("record.json", record if isinstance(record, str) else json.dumps(record))
        for name, content in members.items():
            file.writestr(name, content)


def test_a_record_by_hand_is_read_where_it_keeps_to_the_form(store):
    craft(store, {"arrays/test.npy": numbers([1.0]), "files/table.bin": "x"})
    assert store.get("a").outcome.arrays["test"].tolist() == [1.0]
    assert store.files("a") == ["table.bin"]


@pytest.mark.parametrize(
    "name",
    [
        "files/../../evil",
        "files//tmp/evil",
        "files/a/b",
        "files/..",
        "files/.hidden",
        "evil",
        "files/",
    ],
)
def test_a_record_cannot_name_a_place_outside_the_artefacts(store, tmp_path, name):
    craft(store, {name: "evil", "files/other": "x"})
    assert store.get("a") is None
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StudyError, match="a.zip was damaged .*has no place in it.*: start again"):
        rows.write_artefacts(store, [("name", "a")], tmp_path / "runs" / "artefacts")
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path not in before] == [
        ".artefacts.new"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "fine"},
        {"result": []},
        {"volatile": None},
        {"error": 3},
        {"traceback": ["x"]},
    ],
)
def test_a_record_of_other_kinds_of_values_is_absent(store, change):
    craft(store, {}, RECORD | change)
    assert store.get("a") is None


@pytest.mark.parametrize("record", ["", "[]", "null", "{", "[" * 100_000])
def test_a_record_that_is_no_map_is_absent(store, record):
    craft(store, {}, record)
    assert store.get("a") is None


@pytest.mark.parametrize("array", [numbers([[1.0]]), numbers(["text"]), numbers(1), b"\x93NUMPY"])
def test_an_array_that_is_no_row_of_numbers_makes_a_record_absent(store, array):
    craft(store, {"arrays/test.npy": array})
    assert store.get("a") is None


def test_a_record_that_unpacks_to_more_than_its_file_is_absent(store):
    craft(store, {"files/table.bin": bytes(10**7)}, packed=zipfile.ZIP_DEFLATED)
    assert store.path("a").stat().st_size < 10**5
    assert store.get("a", with_files=True) is None


def test_a_run_cannot_name_what_would_not_be_read_back(store):
    with pytest.raises(StudyError, match="A run gives '../x': name it by letters"):
        store.put("a", RUN, Finished("ok", Outcome({}, files={"../x": b""})))


def test_the_key_does_not_depend_on_the_order_of_names():
    assert digest({"a": 1, "b": [0.5]}) == digest({"b": [0.5], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})
    assert canonical({"b": None, "a": "é"}) == '{"a":"\\u00e9","b":null}'
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_plain_values_are_json_safe():
    value = {"a": (np.float64(0.5), np.bool_(True)), 3: float("inf")}
    assert plain(value) == {"a": [0.5, True], "3": None}
