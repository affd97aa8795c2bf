"""The specification beside prepared data."""

import json
from pathlib import Path


def write_spec(folder: Path, spec: dict) -> None:
    """Write ``spec.json``: sorted keys, so equal contents are equal bytes."""
    text = json.dumps(spec, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "spec.json").write_text(text + "\n", encoding="utf-8")
