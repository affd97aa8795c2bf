"""Ending with the process that started this one: ``kill -9`` of it tells nobody."""

import os
import threading
import time

_SECONDS_BETWEEN_LOOKS = 0.5


def end_with_parent() -> None:
    """End this process as soon as its parent is gone; what it was doing stays undone.

    For a process that works for its parent alone.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)
