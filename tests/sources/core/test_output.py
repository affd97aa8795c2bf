import json

from embedstudy.sources.core.output import write_spec


def test_a_specification_has_sorted_keys(tmp_path):
    write_spec(tmp_path, {"b": 1, "a": {"d": "é", "c": None}})
    text = (tmp_path / "spec.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": {"c": None, "d": "é"}, "b": 1}
    assert text.index('"a"') < text.index('"b"')
    assert "é" in text
