"""One run on an encoder's word table: compress it or trim it, recover, save, load again, judge."""

import importlib
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive, numpy_generator, seed_everything
from embedstudy.encoders import word_table as words
from embedstudy.encoders.core import encode, pretrained, tasks
from embedstudy.encoders.core.cache import vectors
from embedstudy.encoders.word_table.module import load_compressed, word_table
from embedstudy.study.encoder import judging
from embedstudy.study.engine.once import Trained, load_or_train
from embedstudy.study.engine.outcome import Outcome, Progress
from embedstudy.study.word_table.types import WordTableRun
from embedstudy.tables.core.base import Table
from embedstudy.tables.core.post_training import PostTraining

# method -> module and class; the tables' own
TABLES = {
    "rowwise": "embedstudy.tables.fewer_bits.rowwise:RowWise",
    "pq": "embedstudy.tables.fewer_bits.pq:PQ",
    "svd": "embedstudy.tables.generated_rows.svd:SVD",
    "kmeans_rows": "embedstudy.tables.sharing_rows.kmeans_rows:KMeansRows",
    "hash": "embedstudy.tables.sharing_rows.hash:Hash",
    "qr": "embedstudy.tables.sharing_rows.qr:QR",
    "robe": "embedstudy.tables.sharing_rows.robe:ROBE",
    "tt_rec": "embedstudy.tables.generated_rows.tt_rec:TTRec",
}
METHODS = ("full", "trim", *TABLES)

prepared = judging.prepared
labels = judging.pair_scores
differs_by_hand = True


def table_class(method: str) -> type[Table]:
    """The class of a compressor of tables."""
    module, _, name = TABLES[method].partition(":")
    return getattr(importlib.import_module(module), name)


def sources(run: WordTableRun) -> list[str]:
    """The modules that a run loads by name: its table's, and those that declare its texts."""
    table = [TABLES[run.method].partition(":")[0]] if run.method in TABLES else []
    return [*table, *tasks.modules([*run.tasks, *run.domain])]


def shares(run: WordTableRun) -> dict[str, tuple[dict, list[str]]]:
    """The fitting of a table, the same whether the encoder is distilled afterwards or not."""
    if run.method not in TABLES:
        return {}
    names = ("method", "options", "budget", "seed", "domain", "fit")
    identity = run.identity()
    return {"fit": ({name: identity[name] for name in names}, sources(run))}


def check(run: WordTableRun) -> None:
    """Raise ``StudyError`` if the run cannot start."""
    if run.method not in METHODS:
        raise StudyError(f"Unknown method '{run.method}': choose from {', '.join(METHODS)}.")
    if not 0 < run.budget <= 1:
        raise StudyError(
            f"Budget {run.budget} of '{run.label}' is impossible: a budget is a fraction of "
            "the word table, above 0 and at most 1."
        )
    for name, limits in run.tasks.items():
        tasks.check(name, limits)


def domain_texts(counts: dict[str, int]) -> list[str]:
    """The training texts that tell how often word pieces occur: documents of docs and reviews."""
    return [text for name, count in counts.items() for text in tasks.training_texts(name, count)]


def _fitted(run: WordTableRun, encoder: SentenceTransformer, counts: torch.Tensor) -> Table:
    """The fitted table, from disk where the run's other form, with or without recovery, has fitted it."""

    def fit() -> Trained:
        compact = _fit(run, encoder, counts).compact()
        return compact.tensors, {"config": compact.config}

    tensors, notes = load_or_train(run.shared.get("fit", ""), fit)
    return table_class(run.method).restore(notes["config"], tensors)


def _fit(run: WordTableRun, encoder: SentenceTransformer, counts: torch.Tensor) -> Table:
    """A table of the run's method within its budget, close to the trained rows."""
    spec = words.table_spec(encoder, counts)
    weight = word_table(encoder).weight.detach()
    cls, budget = table_class(run.method), int(run.budget * spec.full_bytes)
    if issubclass(cls, PostTraining):
        return cls.compress(weight, spec, budget, run.seed, **run.options)
    table = cls.build(spec, budget, run.seed, **run.options)
    words.fit_rows(table, weight, counts, seed=run.seed, **asdict(run.fit))
    return table


def _save_smaller(
    run: WordTableRun, encoder: SentenceTransformer, texts: list[str], folder: Path
) -> dict[str, float]:
    """Save the encoder that the run is about in ``folder``; what there is to say of it.

    ``unmet``: the share of a trimmed vocabulary that the domain's texts never use.
    """
    if run.method == "full":
        encoder.save(str(folder))
        return {}
    counts = words.piece_counts(encoder, texts)
    if run.method == "trim":
        keep = words.kept_pieces(encoder, counts, run.budget)
        words.trim(encoder, keep, folder)
        return {"unmet": (counts[keep] == 0).double().mean().item()}
    torch.manual_seed(derive(run.seed, "word table"))
    changed = words.replace_word_table(encoder, _fitted(run, encoder, counts))
    if run.recovery.steps:
        queries = _recovery_texts(run)
        teacher = vectors(pretrained.MINILM, queries)
        words.recover(changed, queries, teacher, seed=run.seed, **asdict(run.recovery))
    changed.save(str(folder))
    return {}


def _recovery_texts(run: WordTableRun) -> list[str]:
    """Short texts of the domain: what asks for the documents in the training splits."""
    found = []
    for name, count in run.domain.items():
        asked = tasks.training_queries(name)
        rng = numpy_generator(0, "recovery", name)
        rows = np.sort(rng.choice(len(asked), min(count, len(asked)), replace=False))
        found += asked[rows].to_list()
    return found


def _disk_bytes(folder: Path) -> int:
    """Bytes of everything that loading needs; a model card is for people."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "README.md"]
    return sum(path.stat().st_size for path in files)


def _spelling(
    task: tasks.Task, before: SentenceTransformer, after: SentenceTransformer
) -> dict[str, float]:
    """How a smaller vocabulary spells the judged texts, uncut.

    ``length_growth.<task>``: word pieces, over those of the whole vocabulary, less 1;
    ``unknown.<task>``: the share of pieces that are the unknown one.
    """
    texts = [text for some in task.text_lists() for text in some]
    old, new = (words.piece_counts(encoder, texts) for encoder in (before, after))
    unknown = new[after.tokenizer.unk_token_id] / new.sum()
    return {
        f"length_growth.{task.name}": (new.sum() / old.sum()).item() - 1,
        f"unknown.{task.name}": unknown.item(),
    }


def work(run: WordTableRun, progress: Progress) -> Outcome:
    """Compress the word table of all-MiniLM-L6-v2, save the encoder, load it again and judge that.

    ``run``: ``budget`` is a fraction of the word table (of its bytes, or
    of its pieces for ``trim``), ``options`` are the table's, ``domain`` says how many training texts of
    docs and reviews tell the word pieces' frequencies, ``fit`` how tables that need training are fitted,
    ``recovery`` how the encoder is distilled afterwards (0 steps: not at all), ``length`` cuts texts
    to so many tokens.
    """
    seed_everything(run.seed)
    encoder = pretrained.minilm()
    encoder.max_seq_length = run.length
    texts = domain_texts(run.domain)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "encoder"
        said = _save_smaller(run, encoder, texts, folder)
        seconds = time.perf_counter() - started
        size = _disk_bytes(folder)
        served = load_compressed(folder)
    served.max_seq_length = run.length
    full = sum(p.numel() * 4 for p in encoder.parameters())
    result, values = {"serve_bytes": size, "full_bytes": full} | said, {}
    for number, (name, limits) in enumerate(run.tasks.items()):
        progress((1 + number) / (1 + len(run.tasks)), name)
        task = tasks.load(name, **limits)
        values[name] = task.scores(lambda asked: encode.encode(served, asked)).astype(np.float64)
        if run.method == "trim":
            result |= _spelling(task, encoder, served)
    return Outcome(result, {"train_seconds": seconds}, values)
