"""One run of the baseline chapter on encoders: a retriever judged on every task it can do."""

import time

import numpy as np
import torch

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import seed_everything
from embedstudy.encoders.core import evaluate, sizes, tasks
from embedstudy.encoders.core.cache import vectors
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.core.pretrained import MINILM, load_encoder
from embedstudy.study.encoder import judging
from embedstudy.study.encoder.types import EncoderRun
from embedstudy.study.engine.outcome import Outcome, Progress

METHODS = ("full", "bm25")
_LENGTHS = (8, 16, 32, 64, 128, 256)  # tokens of a text, for the clock
_TIMED = 64  # texts encoded by either way, for the clock

prepared = judging.prepared
labels = judging.pair_scores
differs_by_hand = True


def sources(run: EncoderRun) -> list[str]:
    """The modules that declare the run's tasks, which are loaded by name."""
    return tasks.modules(run.tasks)


def check(run: EncoderRun) -> None:
    """Raise ``StudyError`` if the run cannot start."""
    if run.method not in METHODS:
        raise StudyError(f"Unknown retriever '{run.method}': choose from {', '.join(METHODS)}.")
    for name, limits in run.tasks.items():
        tasks.check(name, limits)


def work(run: EncoderRun, progress: Progress) -> Outcome:
    """Judge all-MiniLM-L6-v2 (``full``) or BM25 (``bm25``, retrieval only) on ``run.tasks``.

    The encoder's result also holds its bytes by part; its times by depth, by length and against
    ``SentenceTransformer.encode`` are volatile.
    """
    seed_everything(run.seed)
    loaded = {name: tasks.load(name, **limits) for name, limits in run.tasks.items()}
    values = {}
    for number, (name, task) in enumerate(loaded.items()):
        progress(number / len(loaded), name)
        if run.method == "full":
            values[name] = task.scores(lambda texts: vectors(MINILM, texts))
        elif isinstance(task, tasks.RetrievalTask):
            values[name] = evaluate.bm25_ndcg(task.sets)
    if run.method == "bm25":
        return Outcome({}, {}, values)
    encoder = load_encoder(MINILM)
    parts = sizes.bytes_by_part(encoder)
    size = sum(parts.values())
    result = {"serve_bytes": size, "full_bytes": size}
    result |= {f"bytes.{part}": count for part, count in parts.items()}
    retrieval = next(t for t in loaded.values() if isinstance(t, tasks.RetrievalTask))
    return Outcome(result, _times(encoder, retrieval.text_lists()[0][:_TIMED]), values)


def _times(encoder, texts: list[str]) -> dict:
    """Milliseconds of one text by depth and by length; texts a second by either way to encode."""
    torch.set_num_threads(1)
    costs = {f"ms_depth.{n}": ms for n, ms in sizes.by_depth(encoder).items()}
    costs |= {f"ms_length.{n}": ms for n, ms in sizes.by_length(encoder, _LENGTHS).items()}
    ways = {
        "library": lambda: encoder.encode(texts, batch_size=32),
        "study": lambda: encode(encoder, texts),
    }
    seconds = {name: [] for name in ways}
    for _ in range(3):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return costs | {f"texts_a_second.{n}": len(texts) / np.median(s) for n, s in seconds.items()}
