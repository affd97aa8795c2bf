"""The chapters of the study: what ``notebooks/chapters.yaml`` lists, in reading order."""

import functools
import posixpath
from dataclasses import dataclass
from pathlib import Path

from embedstudy.core import paths, yaml_file
from embedstudy.core.errors import StudyError, nearest

PLACES = ("tables", "encoders", "codes")  # groups whose chapters run a grid
_SETTINGS = {"tables": "tables.settings:TableSettings"}


@dataclass(frozen=True)
class Chapter:
    """A line of the catalogue."""

    group: str  # one of PLACES, or "reading"
    name: str  # "sharing_rows"
    notebook: str  # "tables/12-sharing-rows", below notebooks/
    settings: str  # "tables.settings:TableSettings", below embedstudy.study
    own: str | None = None  # its section of params.yaml beside "tables.all"

    @property
    def key(self) -> str:
        """Where its results lie below ``results`` and ``reports``: "tables/sharing_rows"."""
        return self.name if self.group == "reading" else f"{self.group}/{self.name}"

    @property
    def sections(self) -> list[str]:
        """The sections of a profile in params.yaml that it takes, later ones over earlier ones."""
        if self.group == "tables" or self.name == "data":
            return list(dict.fromkeys(["tables.all", f"tables.{self.own or 'all'}"]))
        return [self.key.replace("/", ".")]


def _read(path: Path) -> list[Chapter]:
    try:
        groups = yaml_file.read(path)["chapters"]
        listed = [
            Chapter(
                group,
                name,
                entry["notebook"],
                entry.get("settings", _SETTINGS.get(group)),
                entry.get("own"),
            )
            for group, entries in groups.items()
            for name, entry in entries.items()
        ]
        for one in listed:
            _require_texts(one)
    except (KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{path} is not a catalogue of chapters ({' '.join(str(error).split())}): it maps "
            "groups to chapters, each with its notebook."
        ) from error
    return sorted(listed, key=lambda one: posixpath.basename(one.notebook))


def _require_texts(chapter: Chapter) -> None:
    for name in ("group", "name", "notebook", "settings", "own"):
        value = getattr(chapter, name)
        if not isinstance(value, str) and not (value is None and name in ("settings", "own")):
            raise TypeError(f"the {name} of a chapter is no text")


@functools.lru_cache(maxsize=4)
def _cached(path: Path, stamp: int) -> tuple[Chapter, ...]:
    return tuple(_read(path))


def chapters() -> list[Chapter]:
    """Every chapter in reading order. Raises ``StudyError`` if the catalogue cannot be read."""
    path = paths.NOTEBOOKS / "chapters.yaml"
    return list(_cached(path, path.stat().st_mtime_ns if path.is_file() else 0))


def of_place(place: str) -> list[Chapter]:
    """The chapters of a place that run a grid, in reading order."""
    return [one for one in chapters() if one.group == place]


def find(name: str) -> Chapter:
    """The chapter of a notebook ("tables/12-sharing-rows") or a key ("tables/sharing_rows").

    Raises ``StudyError`` with the nearest name if there is none.
    """
    for one in chapters():
        if name in (one.notebook, one.key):
            return one
    hint = nearest(name, [one.notebook for one in chapters()])
    raise StudyError(f"There is no chapter '{name}': {hint}")
