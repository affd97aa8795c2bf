"""The pages of the chapters that were run, in the catalogue's order, and links between them."""

import json
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from embedstudy.core import catalogue, paths
from embedstudy.core.catalogue import Chapter
from embedstudy.core.errors import StudyError


@dataclass(frozen=True)
class Page:
    """The page of a chapter that was run: its line in the catalogue and its executed notebook."""

    chapter: Chapter
    title: str
    notebook: NotebookNode = field(repr=False)

    @property
    def path(self) -> str:
        """Path of the page below ``reports``.

        In a folder of their own: DVC empties it before the report is rendered, and what chapters
        measured lies in the folders of the places.
        """
        return f"pages/{self.chapter.notebook}.html"

    @property
    def part(self) -> str:
        """Heading above it in the navigation: its notebook's folder; the first chapter has none."""
        folder = posixpath.dirname(self.chapter.notebook)
        across = not folder and self.chapter.notebook.startswith("9")
        return "Across chapters" if across else folder.capitalize()

    def link(self, path: str) -> str:
        """Relative link from this page to another ``path`` below ``reports``."""
        return posixpath.relpath(path, posixpath.dirname(self.path) or ".")


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
    except (
        nbformat.ValidationError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise StudyError(
            f"{path} is not a readable notebook: delete it and run 'dvc repro'."
        ) from error
    return notebook


def executed() -> list[Page]:
    """The pages of the chapters below ``reports/notebooks``, in reading order.

    Notebooks that the catalogue does not list are left out. Raises ``StudyError`` if there are none.
    """
    folder, pages = paths.REPORTS / "notebooks", []
    for chapter in catalogue.chapters():
        path = folder / f"{chapter.notebook}.ipynb"
        if path.is_file():
            notebook = read(path)
            pages.append(Page(chapter, title(notebook, chapter.notebook), notebook))
    if not pages:
        raise StudyError(f"No chapter was run yet, {folder} is empty: run 'dvc repro' first.")
    return pages


def wall(chapter: Chapter) -> dict | None:
    """Profile and seconds of the chapter's last run, or None where not recorded."""
    path = paths.REPORTS / chapter.key / "wall.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"profile": str(found["profile"]), "seconds": float(found["seconds"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StudyError(f"{path} does not tell how long its chapter took: remove it.") from error
