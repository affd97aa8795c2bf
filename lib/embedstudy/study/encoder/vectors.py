"""``python -m embedstudy.study.encoder.vectors``: encode the texts of the chapters on codes, once.

Fills ``results/vectors`` with the vectors by all-MiniLM-L6-v2 of every task of chapters 20 and 30
whose data are prepared, and of training texts; vectors that are there are kept, those that nothing
asks for any more are removed. ``ensure`` does the same for one chapter that is run by hand.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from embedstudy.core import params
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import cache, tasks
from embedstudy.encoders.core.pretrained import MINILM
from embedstudy.study.engine.executor import Processes, Progress
from embedstudy.study.engine.outcome import Outcome

_SECTIONS = ("codes.codecs", "encoders.baseline")
_WORK = "embedstudy.study.encoder.vectors:work"
_BAR = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left"


@dataclass(frozen=True)
class TextList:
    """One list of texts: number ``part`` of a task's, or so many ``training`` texts of a kind.

    ``folder``: where its vectors are kept; None for that of a chapter that is run by hand.
    """

    name: str
    limits: Mapping[str, int] | None = None
    part: int = 0
    training: int = 0
    folder: Path | None = None

    def texts(self) -> list[str]:
        """The texts, from the prepared data."""
        if self.training:
            return tasks.training_texts(self.name, self.training)
        return tasks.load(self.name, **self.limits).text_lists()[self.part]


def text_lists(section: Mapping, folder: Path | None = None) -> list[TextList]:
    """What a chapter with these parameters reads, of sets that are prepared."""
    training = section.get("training", {})
    lists = [TextList(kind, training=count, folder=folder) for kind, count in training.items()]
    for name in tasks.available(section["tasks"]):
        limits = section["tasks"][name]
        parts = range(len(tasks.load(name, **limits).text_lists()))
        lists += [TextList(name, limits, part, folder=folder) for part in parts]
    return lists


def work(one: TextList, progress: Progress) -> Outcome:
    """Encode one list."""
    cache.vectors(MINILM, one.texts(), one.folder, progress=lambda share: progress(share, ""))
    return Outcome({})


def fill(lists: list[TextList], seconds: float) -> list[list[str]]:
    """Encode the lists that are not encoded, on all cores, the longest first; returns all texts.

    ``seconds``: the least time between two signs of life. Raises ``StudyError`` if a list fails.
    """
    every = [one.texts() for one in lists]
    missing = {  # by file, as two chapters may read the same list
        cache.file_name(MINILM, texts): (sum(map(len, texts)), one)
        for one, texts in zip(lists, every, strict=True)
        if texts and not cache.find(MINILM, texts, one.folder)
    }
    longest_first = sorted(missing.values(), key=lambda entry: -entry[0])
    if longest_first:
        _encode(longest_first, seconds)
    return every


def _encode(lists: list[tuple[int, TextList]], seconds: float) -> None:
    """Encode lists, each with its number of characters, in their order."""
    sizes, jobs = zip(*lists, strict=True)
    shares = [0.0] * len(jobs)
    bar = tqdm(total=100, unit="%", mininterval=seconds, desc="encode", bar_format=_BAR)

    def show(index: int, share: float, _words: str) -> None:
        shares[index] = share
        done = sum(s * size for s, size in zip(shares, sizes, strict=True)) / sum(sizes)
        bar.update(100 * done - bar.n)

    executor = Processes(min(params.resolve_workers(None, "cpu"), len(jobs)), 1)
    with bar:
        for index, end in executor.map(_WORK, list(jobs), show):
            if end.status != "ok":
                raise StudyError(f"Texts of {jobs[index].name} could not be encoded: {end.error}")
            show(index, 1.0, "")


def ensure(tasks: Mapping[str, Mapping], training: Mapping[str, int] | None = None) -> None:
    """Encode what a chapter with these settings reads and nobody has encoded yet, with a bar.

    Args:
        tasks: limits of each task, as in ``params.yaml``.
        training: number of training texts of each kind.
    """
    fill(text_lists({"tasks": tasks, "training": training or {}}), seconds=0.2)


def main() -> None:
    """Fill ``results/vectors``, and remove from it what no chapter reads."""
    folder = cache.pipeline_folder()
    lists = [one for name in _SECTIONS for one in text_lists(params.section(name), folder)]
    cache.sweep(MINILM, fill(lists, seconds=60), folder)


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
