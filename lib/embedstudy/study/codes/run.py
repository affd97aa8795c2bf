"""One run of the place ``codes``: fit a codec, encode a corpus, search it, measure all three."""

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedstudy import codes
from embedstudy.codes.base import Codec, bytes_per_vector
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import seed_everything
from embedstudy.encoders.core import evaluate, tasks
from embedstudy.encoders.core.cache import vectors
from embedstudy.encoders.core.pretrained import MINILM
from embedstudy.measure import retrieval, spectrum
from embedstudy.measure.vectors import unit
from embedstudy.study.codes import fits
from embedstudy.study.codes.types import FITTED_ON, CodecRun
from embedstudy.study.engine.outcome import Outcome, Progress

INDEX = 1_000_000  # vectors that share the codebooks in ``serve_bytes``
_DEPTH = 10  # of every ranking


@dataclass(frozen=True)
class Index:
    """A task as a codec meets it: vectors, float32 and of unit length, and what is right.

    ``exact``: the ranking of exact fp32 search.
    """

    corpus: np.ndarray
    queries: np.ndarray
    judged: retrieval.Judged
    exact: np.ndarray


shares = fits.shares
differs_by_hand = True


def prepared(run: CodecRun) -> list[str]:
    """The prepared data that a run reads: its tasks' and those whose texts it is fitted on."""
    names = {name for task in run.tasks for name in (task, *fits.texts(run, task))}
    return sorted({tasks.folder(name) for name in names})


def sources(run: CodecRun) -> list[str]:
    """The modules that a run loads by name: its codec's, and those that declare its tasks."""
    return [*fits.modules(codes.build(run.method, run.options)), *tasks.modules(run.tasks)]


def check(run: CodecRun) -> None:
    """Raise ``StudyError`` if the run cannot start."""
    codes.build(run.method, run.options).check_dim(run.dim)
    if run.fitted_on not in FITTED_ON:
        raise StudyError(
            f"Codecs are fitted on {run.fitted_on!r}: choose one of {', '.join(FITTED_ON)}."
        )
    for name, limits in run.tasks.items():
        tasks.check(name, limits)
        if not tasks.is_retrieval(name):
            raise StudyError(f"Codes are judged by retrieval, and task {name!r} is none.")


def _encoded(texts: Sequence[str]) -> np.ndarray:
    return unit(vectors(MINILM, texts))


@functools.lru_cache(maxsize=8)
def load(name: str, limits: str) -> Index:
    """A retrieval task by the vectors of all-MiniLM-L6-v2, read from where they were kept.

    ``limits`` is JSON, so that a worker reads the same task once for all its runs.
    """
    task = tasks.load(name, **json.loads(limits))
    corpus, queries = (_encoded(frame["text"].to_list()) for frame in task.sets[:2])
    judged = retrieval.Judged(*evaluate.judged_rows(task.sets))
    exact = retrieval.search(retrieval.inner_product, queries, corpus, _DEPTH)
    return Index(corpus, queries, judged, exact)


@functools.lru_cache(maxsize=8)
def training_vectors(texts: str) -> np.ndarray:
    """Vectors float32 [n, d] of training texts; ``texts``: JSON, how many of each kind."""
    counts = json.loads(texts).items()
    return np.concatenate([_encoded(tasks.training_texts(kind, count)) for kind, count in counts])


def _fitted(run: CodecRun, task: str, index: Index, by_texts: dict) -> tuple[Codec, float]:
    """The codec as it is judged on ``task``, and the seconds of its fit.

    ``by_texts``: the fits of this run by the texts that they learn from, as tasks may share them.
    """
    texts = json.dumps(fits.texts(run, task))
    if texts not in by_texts:
        own = run.fitted_on == "corpus"
        train = index.corpus if own else training_vectors(texts)
        by_texts[texts] = fits.fitted(run, task, train)
    return by_texts[texts]


def _search(codec: Codec, index: Index) -> tuple[np.ndarray, np.ndarray, dict]:
    """The codes, the ranking of every query, and the seconds that each step took."""
    marks = [time.perf_counter()]
    encoded = codec.encode(index.corpus)
    marks.append(time.perf_counter())
    ranking = codec.search(index.queries, encoded, _DEPTH)
    marks.append(time.perf_counter())
    return encoded, ranking, dict(zip(("encode", "search"), np.diff(marks), strict=True))


def _shape(codec: Codec, encoded: np.ndarray, index: Index) -> dict:
    """What can be told without a label: spectrum of the decoded vectors, distance to the floats."""
    try:
        decoded = codec.decode(encoded)
    except StudyError:  # whitened vectors have no decoded form
        return dict.fromkeys(("rankme", "participation", "cosine"))
    cosine = (unit(decoded) * index.corpus).sum(axis=1)
    return {
        "rankme": spectrum.rankme(decoded),
        "participation": spectrum.participation_ratio(decoded),
        "cosine": float(cosine.mean()),
    }


def work(run: CodecRun, progress: Progress) -> Outcome:
    """Fit on training texts or on the corpus, encode the corpus, search it with float queries.

    ``run``: ``method`` and ``options`` name the codec (``full`` is fp32), ``tasks`` maps each
    retrieval task to its limits, ``training`` docs and reviews to the number of training texts,
    ``fitted_on`` says whether these or the corpus is learned from. ``serve_bytes`` is that of one
    vector, its share of the codebooks counted as in an index of a million vectors; ``bytes.<task>``
    counts them as in the corpus that was searched. ``trained_on.<task>`` are the vectors that the
    codec was fitted on, ``train_per_centroid`` the fewest for a centroid on any task.
    """
    seed_everything(run.seed)
    result, values, costs, by_texts, counts = {}, {}, {}, {}, []
    for number, (name, limits) in enumerate(run.tasks.items()):
        progress(number / len(run.tasks), name)
        index = load(name, json.dumps(limits))
        codec, fit_seconds = _fitted(run, name, index, by_texts)
        encoded, ranking, seconds = _search(codec, index)
        values[name] = retrieval.ndcg_at_k(ranking, index.judged, _DEPTH)
        agreement = retrieval.agreement_at_k(ranking, index.exact, _DEPTH)
        figures = {"agreement": float(agreement.mean())} | _shape(codec, encoded, index)
        figures["bytes"] = bytes_per_vector(codec, encoded)
        figures["trained_on"] = codec.trained_on if codec.learns else None
        if (count := codec.train_per_centroid()) is not None:
            counts.append(count)
        result |= {f"{what}.{name}": value for what, value in figures.items()}
        costs |= {
            f"fit_seconds.{name}": fit_seconds,
            f"encode_us_a_vector.{name}": 1e6 * seconds["encode"] / len(index.corpus),
            f"search_us_a_query.{name}": 1e6 * seconds["search"] / len(index.queries),
        }
        result |= {
            "code_bytes": encoded.shape[1],
            "codebook_bytes": codec.codebook_bytes(),
            "serve_bytes": bytes_per_vector(codec, encoded, INDEX),
            "full_bytes": 4 * index.corpus.shape[1],
        }
    result["train_per_centroid"] = min(counts, default=None)
    return Outcome(result, costs, values)
