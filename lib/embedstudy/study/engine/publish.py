"""The files of a chapter: rows, scores, labels, artefacts and times, from its recorded runs."""

from types import ModuleType

from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.study.engine import environment, progress, rows
from embedstudy.study.engine.keys import reads_of
from embedstudy.study.engine.outcome import Finished
from embedstudy.study.engine.result import GridResult
from embedstudy.study.engine.runs import Run
from embedstudy.study.engine.store import RunStore, digest


def publish(
    chapter: str, runs: list[Run], keys: list[str], module: ModuleType, store: RunStore
) -> GridResult:
    """Write rows, scores, labels, artefacts and times; all but the times are deterministic.

    Run by hand, in JupyterLab, a chapter writes below ``.cache/lab`` and leaves the pipeline's
    results alone.
    """
    ends = [store.get(key) for key in keys]
    for run, end in zip(runs, ends, strict=True):
        if end is None:
            raise StudyError(f"The record of {progress.describe(run)} was damaged: start again.")
    # The name of a run in files: its parameters alone, the same on every device and version.
    names = [digest(run.identity())[:16] for run in runs]
    result = _gather(runs, names, ends, _labels(runs, module))
    folder = paths.results_of(chapter)
    files.sweep(folder)
    for name in ("rows", "scores", "labels"):
        rows.write_frame(getattr(result, name), folder / f"{name}.parquet")
    rows.write_artefacts(store, zip(names, keys, strict=True), folder / "artefacts")
    rows.write_frame(result.times, paths.reports_of(chapter) / "times.parquet")
    _require_any(chapter, runs, ends)
    return result


def _gather(runs: list[Run], names: list[str], ends: list[Finished], labels: dict) -> GridResult:
    keys = [{"key": name} for name in names]
    return GridResult(
        rows.frame(
            keys,
            [rows.flatten(run.identity() | {"device": run.device}) for run in runs],
            [rows.flatten(end.outcome.result) for end in ends],
            [{"arithmetic": environment.arithmetic()}] * len(ends),
            [{"status": end.status, "error": end.error} for end in ends],
        ),
        rows.array_frame(
            {
                name if array == "test" else f"{name}.{array}": values
                for name, end in zip(names, ends, strict=True)
                for array, values in end.outcome.arrays.items()
            },
            "float32",
        ),
        rows.array_frame(labels, "float64"),
        rows.frame(keys, [rows.flatten(end.outcome.volatile) for end in ends]),
        tuple(
            f"{progress.describe(run)}: {end.error}"
            for run, end in zip(runs, ends, strict=True)
            if end.status == "failed"
        ),
    )


def _labels(runs: list[Run], module: ModuleType) -> dict:
    """What the scores of the grid are judged by: an array a data set or task, each read once."""
    judged = getattr(module, "labels", None)
    if judged is None:
        return {}
    reads = reads_of(module)
    one_each = {tuple(reads(run)): run for run in runs}
    return {name: values for run in one_each.values() for name, values in judged(run).items()}


def _require_any(chapter: str, runs: list[Run], ends: list[Finished]) -> None:
    """Raise ``StudyError`` if no run ended well: what a chapter shows would fail for another reason."""
    if not any(end.status == "ok" for end in ends):
        first = f"{progress.describe(runs[0])}: {ends[0].status}: {ends[0].error}"
        raise StudyError(f"None of the {len(runs)} runs of '{chapter}' ended well. {first}")
