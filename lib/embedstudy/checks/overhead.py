"""``make bench``: what the study's own machinery costs beside the training itself."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as logloss

from embedstudy.backbones import BACKBONES
from embedstudy.core.paths import REPORTS, RESULTS
from embedstudy.core.seeding import generator
from embedstudy.study.tables.data import CtrData, load_ctr
from embedstudy.study.tables.train import Model, TrainConfig, Trainer, predict
from embedstudy.tables.reference.methods import METHODS

_CONFIG = TrainConfig(batch=1024, epochs=3, patience=3)
_DIM, _HIDDEN = 16, [64, 32]


def _backbone(data: CtrData) -> nn.Module:
    torch.manual_seed(0)
    return BACKBONES["dcnv2"](len(data.fields), _DIM, hidden=_HIDDEN, dropout=0.0)


def study_loop(data: CtrData) -> None:
    spec = data.spec(_DIM, 0.01)
    table = METHODS["full"].build(spec, spec.full_bytes, 0)
    Trainer(Model(table, _backbone(data)), data, _CONFIG, seed=0).fit()


def bare_loop(data: CtrData) -> None:
    """The same model on ``nn.Embedding``, trained as one would write it by hand."""
    spec = data.spec(_DIM, 0.01)
    embedding, backbone = nn.Embedding(spec.rows, _DIM), _backbone(data)
    model = nn.Sequential(embedding, backbone)
    optimizer = torch.optim.Adam(model.parameters(), _CONFIG.lr, fused=True)
    rng = generator(0, "order")
    for _ in range(_CONFIG.epochs):
        model.train()
        order = torch.randperm(len(data.train.labels), generator=rng)
        for batch in order.split(_CONFIG.batch):
            optimizer.zero_grad()
            loss = logloss(model(data.train.ids[batch]), data.train.labels[batch])
            loss.backward()
            optimizer.step()
        logloss(predict(model, data.valid), data.valid.labels).item()


def samples_per_second(loop: Callable[[CtrData], None], data: CtrData, repeats: int) -> float:
    """Median training events a second over ``repeats`` calls, after one to warm up."""
    loop(data)
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        loop(data)
        seconds = time.perf_counter() - started
        rates.append(_CONFIG.epochs * len(data.train.labels) / seconds)
    return statistics.median(rates)


def trained_seconds(reports: Path, results: Path) -> float:
    """Seconds of training that the recorded runs really took.

    A run that starts from the trained full table reports its training as part of its own cost, but
    it was trained once a data set, backbone and seed.
    """
    frames = []
    for path in sorted(reports.glob("*/times.parquet")):
        rows = pl.read_parquet(results / path.parent.name / "rows.parquet")
        frames.append(rows.join(pl.read_parquet(path), on="key"))
    runs = pl.concat(frames, how="diagonal_relaxed").unique("key", maintain_order=True)
    same = ["dataset", "backbone", "seed"]
    full = runs.filter(pl.col("method") == "full").select(*same, full="train_seconds")
    runs = runs.join(full, on=same, how="left")
    shared = pl.col("phases").str.starts_with("full") & (pl.col("method") != "full")
    spent = pl.col("train_seconds") - pl.when(shared).then("full").otherwise(0)
    return runs.select(spent.sum()).item()


def outside_training(reports: Path, results: Path, workers: int) -> dict | None:
    """Share of the last recorded ``make repro`` that was not training, or None without a record."""
    record = reports / "repro.json"
    if not record.is_file():
        return None
    wall = json.loads(record.read_text())["seconds"]
    trained = trained_seconds(reports, results)
    return {
        "repro_seconds": wall,
        "training_core_seconds": round(trained, 1),
        "share_outside_training": round(1 - trained / workers / wall, 3),
    }


def record(reports: Path, seconds: int) -> None:
    """Note how long ``dvc repro`` took, if it ran a grid in that time."""
    started = time.time() - seconds - 1
    if any(path.stat().st_mtime > started for path in reports.rglob("times.parquet")):
        (reports / "repro.json").write_text(json.dumps({"seconds": seconds}) + "\n")


def main() -> None:
    """Print the figures as JSON; with ``--record SECONDS`` only note how long the study took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="workers of the recorded run")
    parser.add_argument("--record", type=int, metavar="SECONDS")
    arguments = parser.parse_args()
    if arguments.record is not None:
        record(REPORTS, arguments.record)
        return
    torch.set_num_threads(1)
    data = load_ctr("movielens")
    study = samples_per_second(study_loop, data, arguments.repeats)
    bare = samples_per_second(bare_loop, data, arguments.repeats)
    figures = {
        "study_samples_per_second": round(study),
        "bare_samples_per_second": round(bare),
        "overhead": round(bare / study - 1, 4),
        "make_repro": outside_training(REPORTS, RESULTS, arguments.workers),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
