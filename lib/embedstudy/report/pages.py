"""The chapters that were run, in reading order, with their titles and links between them."""

import json
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from embedstudy.core.errors import StudyError
from embedstudy.core.params import section_name

PARTS = {"": "", "tables": "Tables", "encoders": "Encoders", "codes": "Codes"}


@dataclass(frozen=True)
class Chapter:
    """An executed notebook; ``name`` is its path below ``notebooks`` without the suffix."""

    name: str
    title: str
    notebook: NotebookNode = field(repr=False)

    @property
    def section(self) -> str:
        """The name of its folders below ``results`` and ``reports``."""
        return section_name(self.name)

    @property
    def page(self) -> str:
        """Path of its page below ``reports``."""
        return f"{self.name}.html"

    @property
    def part(self) -> str:
        """Heading above it in the navigation; empty for the first chapter."""
        folder = posixpath.dirname(self.name)
        if not folder and self.name.startswith("9"):
            return "Across chapters"
        return PARTS.get(folder, folder.capitalize())

    def link(self, page: str) -> str:
        """Relative link from this chapter's page to ``page``."""
        return posixpath.relpath(page, posixpath.dirname(self.page) or ".")


def title(notebook: NotebookNode, name: str) -> str:
    """The first heading of a notebook, or its file name where it has none."""
    for cell in notebook.cells:
        heading = re.search(r"^#\s+(.+?)\s*#*$", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown" and heading:
            return heading[1].replace("`", "")
    return posixpath.basename(name)


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``; raises ``StudyError`` if it is missing or not a notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError as error:
        raise StudyError(f"There is no notebook {path}: run 'dvc repro' to make it.") from error
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
        raise StudyError(
            f"{path} is not a readable notebook: delete it and run 'dvc repro'."
        ) from error
    return notebook


def names(folder: Path) -> list[str]:
    """Chapters below ``folder`` in reading order, which is that of their numbers."""
    found = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.ipynb")]
    kept = [path for path in found if ".ipynb_checkpoints" not in path.parts]
    return [path.as_posix() for path in sorted(kept, key=lambda path: (path.name, path.parts))]


def executed(reports: Path) -> list[Chapter]:
    """The chapters below ``reports/notebooks``; raises ``StudyError`` if there are none."""
    folder = reports / "notebooks"
    found = names(folder)
    if not found:
        raise StudyError(f"No chapter was run yet, {folder} is empty: run 'dvc repro' first.")
    read_ones = [(name, read(folder / f"{name}.ipynb")) for name in found]
    return [Chapter(name, title(notebook, name), notebook) for name, notebook in read_ones]


def wall(reports: Path, chapter: Chapter) -> dict | None:
    """Profile and seconds of the run that made ``chapter``, or None where not recorded."""
    path = reports / chapter.section / "wall.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
