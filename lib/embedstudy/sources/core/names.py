"""Names of prepared sets: what they may look like, and whether one is free."""

import json
import re

from embedstudy.core import paths
from embedstudy.core.errors import StudyError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_name(name: str) -> str:
    """The name if it can be that of a folder and of a task, anywhere; else ``StudyError``."""
    if not _NAME.fullmatch(name):
        raise StudyError(
            f"{name[:70]!r} is no name for a data set: use letters, digits, - and _, at most 64, the "
            "first a letter or digit."
        )
    return name


def prepared_kind(name: str) -> str | None:
    """Of what kind the set prepared under ``name`` is: clicks, pairs, retrieval, ...

    None if there is none; "unknown" where its specification cannot be read.
    """
    spec = paths.PREPARED / check_name(name) / "spec.json"
    try:
        return json.loads(spec.read_text(encoding="utf-8")).get("kind", "unknown")
    except OSError:
        return None
    except (ValueError, AttributeError):
        return "unknown"


def check_free(name: str, taken: set[str], kind: str) -> None:
    """Raise ``StudyError`` unless a user's set of that ``kind`` may be prepared under ``name``.

    ``taken``: names of the study's own sets. An earlier set of the user may be replaced by one of
    its kind only.
    """
    check_name(name)
    if name.lower() in {one.lower() for one in taken}:
        raise StudyError(f"The study has a data set {name} of its own: choose another --name.")
    before = prepared_kind(name)
    if before not in (kind, None):
        raise StudyError(
            f"{paths.PREPARED / name} holds a set of another kind ({before}): choose another --name."
        )
