"""Where tests find the official files of public data sets, if this machine has them."""

import os
from pathlib import Path

import pytest

from embedstudy.core.paths import ROOT


@pytest.fixture
def official_data():
    """A function from a sub-folder's name to the folder; skips where it is absent."""
    root = Path(os.environ.get("EMBEDSTUDY_OFFICIAL_DATA", ROOT.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"no {name} in {root}: set EMBEDSTUDY_OFFICIAL_DATA to run this test")
        return root / name

    return folder
