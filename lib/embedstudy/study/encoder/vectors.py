"""``python -m embedstudy.study.encoder.vectors``: encode the texts of the chapters on codes, once.

Fills ``results/vectors`` with the vectors by all-MiniLM-L6-v2 of every task of chapters 20 and 30
whose data are prepared, and of training texts; vectors that are there are kept, those that nothing
asks for any more are removed.
"""

import sys
from functools import partial

from embedstudy.core import params
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import cache, tasks
from embedstudy.encoders.core.pretrained import MINILM
from embedstudy.study.engine.executor import Processes, Progress
from embedstudy.study.engine.outcome import Outcome

_SECTIONS = ("codes_fewer_bits", "encoders_baseline")


def _texts(run: dict) -> list[list[str]]:
    """The lists of texts whose vectors a run makes."""
    if "training" in run:
        return [tasks.training_texts(run["task"], run["training"])]
    return tasks.load(run["task"], **run["limits"]).text_lists()


def work(run: dict, progress: Progress) -> Outcome:
    """Encode the texts of one task, or the training texts of its kind."""
    encode = partial(cache.vectors, MINILM, folder=cache.VECTORS)
    counts = [len(encode(texts)) for texts in _texts(run)]
    return Outcome({"texts": sum(counts)})


def runs(sections: list[dict]) -> list[dict]:
    """What the chapters with these parameters read, each once."""
    jobs = []
    for section in sections:
        training = section.get("training", {}).items()
        jobs += [{"task": name, "training": count} for name, count in training]
        there = tasks.available(section["tasks"])
        jobs += [{"task": name, "limits": section["tasks"][name]} for name in there]
    return [job for number, job in enumerate(jobs) if job not in jobs[:number]]


def main() -> None:
    jobs = runs([params.section(name) for name in _SECTIONS])
    executor = Processes(params.resolve_workers(None, "cpu"), 1)
    for index, end in executor.map(f"{work.__module__}:work", jobs, lambda *_: None):
        what = " ".join(str(value) for value in jobs[index].values() if value != {})
        if end.status != "ok":
            raise StudyError(f"The vectors of {what} could not be made: {end.error}")
        print(f"{what}: {end.outcome.result['texts']:,} texts", flush=True)
    cache.sweep(MINILM, [texts for job in jobs for texts in _texts(job)])


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
