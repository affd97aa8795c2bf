"""Where things are, found from any working directory.

The project root is the folder that holds ``dvc.yaml`` and ``params.yaml``: the one named by the
environment variable ``EMBEDSTUDY_ROOT``, else the nearest one at or above the working directory,
else the checkout this library was installed from.
"""

import os
from pathlib import Path

from embedstudy.core.errors import StudyError


def _is_root(folder: Path) -> bool:
    return (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file()


def find_root() -> Path:
    """Return the absolute path of the project root, or raise ``StudyError``."""
    named = os.environ.get("EMBEDSTUDY_ROOT")
    if named:
        if not _is_root(Path(named)):
            raise StudyError(
                f"EMBEDSTUDY_ROOT is {named}, which holds no dvc.yaml and params.yaml: "
                "point it at the project's checkout or unset it."
            )
        return Path(named).resolve()
    here = Path.cwd().resolve()
    checkout = Path(__file__).resolve().parents[3]
    for folder in (here, *here.parents, checkout):
        if _is_root(folder):
            return folder
    raise StudyError(
        f"No project root at or above {here}: run this inside a checkout of the study "
        "or set EMBEDSTUDY_ROOT to one."
    )


ROOT = find_root()
DATA = ROOT / "data"  # raw inputs, pinned by sources/core/wheels.lock
PREPARED = ROOT / "results" / "prepared"  # tidy Parquet, one folder a data set
RESULTS = ROOT / "results"  # what the stages write, tracked by DVC
REPORTS = ROOT / "reports"  # executed notebooks and HTML
RUNS = ROOT / ".cache" / "runs"  # the store of finished runs, outside every stage's outs
NOTEBOOKS = ROOT / "notebooks"


def in_pipeline() -> bool:
    """Whether the pipeline runs this, not somebody by hand."""
    return bool(os.environ.get("EMBEDSTUDY_PIPELINE"))


def _lab() -> Path | None:
    """Where a chapter writes that is run by hand: never into the pipeline's files."""
    return None if in_pipeline() else RUNS.parent / "lab"


def results_of(key: str) -> Path:
    """The folder for the rows of a chapter: below ``results/`` if the pipeline runs it."""
    return (_lab() or RESULTS) / key


def reports_of(key: str) -> Path:
    """The folder for a chapter's volatile files: below ``reports/`` if the pipeline runs it."""
    return (_lab() or REPORTS) / key
