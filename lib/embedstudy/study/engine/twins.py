"""Models that runs of several budgets share: trained once, recorded for each."""

from types import ModuleType

from embedstudy.core.errors import StudyError
from embedstudy.study.engine import progress
from embedstudy.study.engine.outcome import Finished
from embedstudy.study.engine.runs import Run
from embedstudy.study.engine.store import RunStore, canonical


def leaders(runs: list[Run], waiting: list[int], module: ModuleType) -> dict[int, int]:
    """Waiting run -> the first run of the grid that trains the same model, perhaps itself."""
    twin = getattr(module, "twin", None)
    if twin is None:
        return {}
    methods = {(runs[i].method, runs[i].label) for i in waiting}
    found: dict[str, int] = {}
    first = {}
    for index, run in enumerate(runs):
        model = twin(run) if (run.method, run.label) in methods else None
        if model is not None:
            first[index] = found.setdefault(canonical(model), index)
    return {index: other for index, other in first.items() if index in waiting}


def copy(
    module: ModuleType, store: RunStore, runs: list[Run], keys: list[str], index: int, other: int
) -> None:
    """Record a run's end as that of the run that trained the same model."""
    finished = store.get(keys[other], with_files=True)
    if finished is None:
        raise StudyError(
            f"The record of {progress.describe(runs[other])} was damaged: start again."
        )
    if finished.status == "ok":
        outcome = module.of_twin(runs[index], runs[other], finished.outcome)
        finished = Finished("ok", outcome)
    store.put(keys[index], runs[index], finished)
