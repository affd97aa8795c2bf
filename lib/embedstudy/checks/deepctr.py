"""Is the uncompressed line weak? The same split through another library: DeepCTR-Torch.

    python -m embedstudy.checks.deepctr

Not part of the study's environment: install ``deepctr-torch==0.3.0`` (with ``--no-deps``) into a
scratch copy of it. Its DCN with matrix crosses is DCN-v2. It is given the study's dimensions and
batch size, and, as it stops by epochs and not by validation, a small search on the *validation*
split over its learning rate, its L2 on embeddings and the number of epochs. Writes
``results/full/movielens_deepctr.json``.
"""

import itertools
import json
import sys

import numpy as np
import torch

from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import seed_everything
from embedstudy.measure import quality
from embedstudy.study.tables.data import CtrData, Split, load_ctr

_RATES, _DECAYS, _EPOCHS = (0.001, 0.004), (1e-5, 1e-4, 1e-3), 10
_HIDDEN, _CROSSES, _DIM, _BATCH = (64, 32), 1, 16, 1024


def _inputs(data: CtrData, split: Split) -> dict[str, np.ndarray]:
    starts = np.cumsum([0, *data.field_rows[:-1]])
    return dict(zip(data.fields, (split.ids.numpy() - starts).T, strict=True))


def _aucs(data: CtrData, lr: float, l2: float, seed: int) -> list[tuple[float, float]]:
    """(validation, test) AUC after each epoch."""
    from deepctr_torch.inputs import SparseFeat
    from deepctr_torch.models import DCN

    seed_everything(seed)
    columns = [
        SparseFeat(name, rows, embedding_dim=_DIM)
        for name, rows in zip(data.fields, data.field_rows, strict=True)
    ]
    model = DCN(
        columns, columns, cross_num=_CROSSES, cross_parameterization="matrix",
        dnn_hidden_units=_HIDDEN, l2_reg_embedding=l2, seed=seed,
    )  # fmt: skip
    model.compile(torch.optim.Adam(model.parameters(), lr), "binary_crossentropy")
    train, found = _inputs(data, data.train), []
    for _ in range(_EPOCHS):
        model.fit(train, data.train.labels.numpy(), _BATCH, epochs=1, verbose=0)
        scores = [
            quality.auc(split.labels.numpy(), model.predict(_inputs(data, split), 8192).ravel())
            for split in (data.valid, data.test)
        ]
        found.append(tuple(scores))
    return found


def main() -> None:
    try:
        import deepctr_torch
    except ModuleNotFoundError:
        sys.exit("error: deepctr-torch is not installed here; see the module's docstring.")
    try:
        data = load_ctr("movielens")
    except StudyError as error:
        sys.exit(f"error: {error}")
    lines = []
    for lr, l2 in itertools.product(_RATES, _DECAYS):
        for epoch, (valid, test) in enumerate(_aucs(data, lr, l2, seed=0), 1):
            lines.append({"lr": lr, "l2": l2, "epochs": epoch, "valid": valid, "test": test})
    best = max(lines, key=lambda line: line["valid"])
    tests = [best["test"]]
    tests += [_aucs(data, best["lr"], best["l2"], seed)[best["epochs"] - 1][1] for seed in (1, 2)]
    record = {"library": f"deepctr-torch {deepctr_torch.__version__}", "model": "DCN, matrix"}
    record |= {"chosen": best, "test_auc_by_seed": tests, "tried": len(lines)}
    text = json.dumps(record, indent=1) + "\n"
    files.write_bytes(paths.RESULTS / "full" / "movielens_deepctr.json", text.encode())


if __name__ == "__main__":
    main()
