import pytest

from embedstudy.core import yaml_file
from embedstudy.core.errors import StudyError


def test_numbers_and_merges_are_read_as_dvc_reads_them(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1e-3}\nb: {<<: *a, y: [1, two]}\n")
    assert yaml_file.read(path) == {"a": {"x": 0.001}, "b": {"x": 0.001, "y": [1, "two"]}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: [", "is not valid YAML"),
        (b"- {a: 1, a: 2}", "line 1: 'a' occurs a second time"),
        (b"a: caf\xe9", "is not valid YAML: 'utf-8' codec"),
        (b"a: 2026-13-45", "is not valid YAML: month must be"),
        (b"? [1]\n: b", "is not valid YAML"),
        (b"a: !!python/object/apply:os.system [id]", "is not valid YAML"),
        (b"[" * 5000, "is nested too deep"),
    ],
)
def test_what_is_no_plain_yaml_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=sentence) as told:
        yaml_file.read(path)
    assert "\n" not in str(told.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(StudyError, match=r"gone.yaml cannot be read \(No such file"):
        yaml_file.read(tmp_path / "gone.yaml")
