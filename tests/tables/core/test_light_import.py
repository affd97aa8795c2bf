"""The compressors need torch, NumPy and safetensors; the rest of the study may be absent."""

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys
absent = "polars scipy sklearn transformers sentence_transformers altair dvc papermill yaml"
sys.modules.update(dict.fromkeys(absent.split()))
import embedstudy.tables
modules = list(pkgutil.walk_packages(embedstudy.tables.__path__, "embedstudy.tables."))
for module in modules:
    importlib.import_module(module.name)
print(len(modules))
"""


def test_every_module_of_tables_imports_without_the_study(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 40
