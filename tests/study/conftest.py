"""A scratch project, in which grids and chapters of these tests run."""

import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from embedstudy import paths

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))  # workers import fake_work by name

PARAMS = {
    "profile": "smoke",
    "device": "cpu",
    "workers": 1,
    "smoke": {"demo": {"budgets": [0.5], "seeds": [0, 1]}},
    "quick": {"demo": {"budgets": [0.5, 0.1], "seeds": [0]}},
    "full": {"demo": {}},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The root of an empty project whose params.yaml holds PARAMS; the library points at it."""
    root = tmp_path / "scratch"
    (root / "notebooks" / "tables").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    for name, folder in (
        ("ROOT", root),
        ("RESULTS", root / "results"),
        ("REPORTS", root / "reports"),
        ("PREPARED", root / "results" / "prepared"),
        ("RUNS", root / ".cache" / "runs"),
        ("NOTEBOOKS", root / "notebooks"),
    ):
        monkeypatch.setattr(paths, name, folder)
    monkeypatch.setenv("EMBEDSTUDY_ROOT", str(root))
    monkeypatch.setenv("EMBEDSTUDY_PIPELINE", "1")
    monkeypatch.setenv("FAKE_WORK_LOG", str(root / "log"))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return root


@pytest.fixture
def write_notebook(project):
    """Writes a chapter of code cells; the first is its parameters cell, or none when it is None."""

    def write(chapter, cells):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        notebook.cells = [nbformat.v4.new_code_cell(source or "") for source in cells]
        if cells[0] is not None:
            notebook.cells[0].metadata.tags = ["parameters"]
        nbformat.write(notebook, project / "notebooks" / f"{chapter}.ipynb")

    return write
