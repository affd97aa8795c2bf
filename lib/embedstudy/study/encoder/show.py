"""What the chapters on encoders and codes show."""

from dataclasses import replace
from typing import Any

from embedstudy.encoders.core import tasks


def prepared(settings: Any) -> Any:
    """The settings without tasks whose data are not prepared; says in one line which.

    ``settings``: of any chapter that has ``tasks``.
    """
    there = tasks.available(settings.tasks)
    if missing := [name for name in settings.tasks if name not in there]:
        print(
            f"Left out, not prepared: {', '.join(missing)}. "
            "`python -m embedstudy.sources.official` says where their official files are had."
        )
    return replace(settings, tasks={name: settings.tasks[name] for name in there})
