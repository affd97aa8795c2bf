"""What a chapter is given: its sections of ``params.yaml``, checked against its settings class.

``python -m embedstudy.pipeline.chapters`` checks every chapter in every profile.
"""

import importlib
import json
import sys
from pathlib import Path

from embedstudy.core import catalogue, params, paths
from embedstudy.core.catalogue import Chapter
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import check, read, rules_of

PARAMETER = "parameters"  # the one name that the pipeline injects into a notebook


def settings_class(chapter: Chapter) -> type:
    """The class that the chapter's parameters are checked against."""
    module, _, name = (chapter.settings or "").partition(":")
    try:
        return getattr(importlib.import_module(f"embedstudy.study.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise StudyError(
            f"notebooks/chapters.yaml: {chapter.key} has the settings {chapter.settings!r}, "
            f"which cannot be imported ({error})."
        ) from error


def parameters(chapter: Chapter, profile: str | None = None) -> dict:
    """What a profile, the chosen one if none is named, gives a chapter.

    Raises ``StudyError`` for the first name or value that its settings class refuses.
    """
    profile, cls = profile or params.profile(), settings_class(chapter)
    given: dict = {}
    for name in chapter.sections:
        section = params.section(name, profile)
        check(section, rules_of(cls), f"params.yaml: {profile}.{name}.")
        given |= section
    read(cls, given, f"params.yaml: {profile}.{chapter.sections[-1]}.")
    return given


def takes_parameters(notebook: Path) -> bool:
    """Whether a notebook has the cell that ``PARAMETER`` is injected after.

    Raises ``StudyError`` if the file is no notebook.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return any("parameters" in cell["metadata"].get("tags", []) for cell in cells)
    except OSError as error:
        raise StudyError(f"{notebook} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(f"{notebook} is no notebook: take it from git again.") from error


def check_all() -> None:
    """Raise ``StudyError`` if the catalogue, a notebook or a parameter of any profile is wrong."""
    for chapter in catalogue.chapters():
        notebook = paths.NOTEBOOKS / f"{chapter.notebook}.ipynb"
        if not notebook.is_file():
            raise StudyError(f"notebooks/chapters.yaml: {chapter.key} has no notebook {notebook}.")
        for profile in params.PROFILES:
            parameters(chapter, profile)


def main() -> None:
    values = params.load()
    if values["device"] == "cuda":
        params.resolve_device()  # refuses it where there is none
    check_all()
    print(f"Profile {values['profile']}, device {values['device']}, workers {values['workers']}.")


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
