"""``make calibrate``: are the baselines as strong as published ones?

Trains the uncompressed table on Frappe_x1 with the settings of the BARS benchmark (reczoo/BARS,
ranking/ctr/<model>/<model>_frappe_x1; FuxiCTR v1.1) through the study's own loader and training
loop, and writes the rows with their provenance to ``results/full/frappe_x1.json``.

As there, validation AUC decides when to lower the learning rate and to stop. Departure: the
learning rate has no lower bound.
"""

import json
import sys
from dataclasses import replace

import polars as pl

from embedstudy.backbones import BACKBONES
from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.pipeline.provenance import environment
from embedstudy.study.engine.grid import run_grid
from embedstudy.study.tables.types import TableRun, TrainConfig
from embedstudy.tables.reference import methods as reference

FULL = next(iter(reference.METHODS))
_DEEP = {"hidden": [400, 400, 400], "batch_norm": True}
# backbone -> (its options, L2 on the table, published test AUC)
SETTINGS = {
    "lr": ({}, 1e-5, 0.9356),
    "fm": ({}, 5e-6, 0.9671),
    "deepfm": (_DEEP | {"dropout": 0.2}, 0.05, 0.9842),
    "dcnv2": (_DEEP | {"dropout": 0.4, "cross_layers": 4}, 0.05, 0.9845),
}
TRAIN = TrainConfig(
    batch=4096, lr=0.001, epochs=100, patience=2, lr_decay=0.1, clip=10.0, monitor="auc"
)


def runs() -> list[TableRun]:
    """One run a backbone, seed 0, d = 10."""
    assert set(SETTINGS) <= set(BACKBONES)
    return [
        TableRun(
            dataset="frappe",
            backbone=backbone,
            backbone_options=options,
            family="reference",
            method=FULL,
            label="full table",
            budget=1.0,
            seed=0,
            dim=10,
            init_std=1e-4,
            train=replace(TRAIN, table_l2=l2),
        )
        for backbone, (options, l2, _) in SETTINGS.items()
    ]


def main() -> None:
    result = run_grid(runs(), work="embedstudy.study.tables.run:work", chapter="calibration")
    result.require_ok()
    published = {backbone: auc for backbone, (_, _, auc) in SETTINGS.items()}
    table = result.rows.select(
        "backbone",
        published=pl.col("backbone").replace_strict(published),
        measured=pl.col("test_auc").round(4),
        logloss=pl.col("test_logloss").round(4),
        epochs="epochs",
    )
    record = {"rows": result.rows.to_dicts(), "environment": environment()}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    files.write_bytes(paths.RESULTS / "full" / "frappe_x1.json", text.encode())
    print(table)


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
