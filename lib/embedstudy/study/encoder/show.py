"""What the chapters on encoders and codes show."""

from dataclasses import replace
from typing import Any

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import tasks
from embedstudy.sources.core import text_sets


def prepared(settings: Any) -> Any:
    """The settings without official tasks whose data are not prepared; says in one line which.

    ``settings``: of any chapter that has ``tasks``. Raises ``StudyError`` for a name that no task
    bears, for a task of the study's own that is not prepared, and where no task is left.
    """
    there = tasks.available(settings.tasks)
    missing = [name for name in settings.tasks if name not in there]
    for name in missing:
        if tasks.folder(name) in text_sets.OWN:
            raise StudyError(f"The data of task '{name}' are not prepared: run `dvc repro`.")
    if missing:
        print(
            f"Left out, not prepared: {', '.join(missing)}. "
            "`python -m embedstudy.sources.official` says where their official files are had."
        )
    if not there:
        raise StudyError(f"No task of tasks is prepared ({', '.join(missing)}): add one.")
    return replace(settings, tasks={name: settings.tasks[name] for name in there})
