"""What runs that are judged on text tasks read, and what their values are judged by."""

import numpy as np

from embedstudy.encoders.core import tasks


def pair_scores(run) -> dict[str, np.ndarray]:
    """The human scores of the pairs of each similarity task of a run, float64 [pairs].

    Retrieval tasks are judged query by query and have none.
    """
    loaded = {name: tasks.load(name, **limits) for name, limits in run.tasks.items()}
    return {
        name: task.pairs["score"].to_numpy()
        for name, task in loaded.items()
        if isinstance(task, tasks.StsTask)
    }


def prepared(run) -> list[str]:
    """The prepared data that the tasks of a run read, by folder."""
    return sorted({tasks.folder(name) for name in run.tasks})
