"""Training: the study's loop beside the ``fit`` of FuxiCTR and beside a loop written by hand.

The same model everywhere (DCN-v2: vectors of 16 numbers, crosses beside hidden layers of 64 and 32),
the same events, batches of 1,024, Adam with the same rate, the same L2 on the table, a validation after
each epoch. FuxiCTR and the study also keep the best weights. FuxiCTR reads its own files by its own
loader, which is a process more, as it is by default.

Two sizes: the one cross and the L2 of the study's default profile, and the three crosses of the
backbone's own default without L2, where multiplying matrices, the same work for all, is most of it.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as logloss

from embedstudy.backbones import BACKBONES
from embedstudy.checks.bench.clicks import clicks
from embedstudy.checks.bench.turns import Peer, Row, beside
from embedstudy.core.seeding import generator
from embedstudy.study.tables.data import CtrData, Split
from embedstudy.study.tables.train import Model, TrainConfig, Trainer, predict
from embedstudy.tables.reference.full import Full

FUXICTR = Peer("FuxiCTR fit", "fuxictr", "fuxictr h5py ray msgpack protobuf")
BARE = Peer("a bare loop", "torch")
_DIM, _HIDDEN = 16, [64, 32]
_MODELS = ((1, 0.001), (3, 0.0))  # crosses, L2 on the table


def compare(repeats: int, small: bool) -> list[Row]:
    """Training events a second."""
    data = clicks(small)
    return [row for model in _MODELS for row in _compare(data, *model, repeats, small)]


def _compare(data: CtrData, crosses: int, l2: float, repeats: int, small: bool) -> list[Row]:
    epochs = 1 if small else 3
    config = TrainConfig(batch=1024, lr=0.004, epochs=epochs, patience=epochs, table_l2=l2)
    what = f"train DCN-v2, {crosses} cross{'es' * (crosses > 1)}, {data.name}"
    amount = epochs * len(data.train.labels)
    ours = partial(study_loop, data, config, crosses)
    with tempfile.TemporaryDirectory() as folder:
        fuxi = partial(fuxictr_fit, data, config, crosses, Path(folder))
        return [
            beside(what, "events", amount, ours, FUXICTR, fuxi, repeats=repeats, goal=2.5),
            beside(
                what, "events", amount, ours, BARE,
                lambda: partial(bare_loop, data, config, crosses), repeats=repeats,
            ),
        ]  # fmt: skip


def _backbone(data: CtrData, crosses: int) -> nn.Module:
    torch.manual_seed(0)
    options = {"hidden": _HIDDEN, "dropout": 0.0, "cross_layers": crosses}
    return BACKBONES["dcnv2"](len(data.fields), _DIM, **options)


def study_loop(data: CtrData, config: TrainConfig, crosses: int) -> None:
    """As every method of the study is trained."""
    spec = data.spec(_DIM, 0.01)
    table = Full.build(spec, spec.full_bytes, 0)
    Trainer(Model(table, _backbone(data, crosses)), data, config, seed=0).fit()


def bare_loop(data: CtrData, config: TrainConfig, crosses: int) -> None:
    """The same model on ``nn.Embedding``, trained as one would write it by hand."""
    embedding = nn.Embedding(sum(data.field_rows), _DIM)
    model = nn.Sequential(embedding, _backbone(data, crosses))
    table = {"params": embedding.parameters(), "weight_decay": config.table_l2}
    groups = [table, {"params": model[1].parameters()}]
    optimizer = torch.optim.Adam(groups, config.lr, fused=True)
    rng = generator(0, "order")
    for _ in range(config.epochs):
        model.train()
        order = torch.randperm(len(data.train.labels), generator=rng)
        for batch in order.split(config.batch):
            optimizer.zero_grad()
            loss = logloss(model(data.train.ids[batch]), data.train.labels[batch])
            loss.backward()
            optimizer.step()
        logloss(predict(model, data.valid), data.valid.labels).item()


# -- FuxiCTR ------------------------------------------------------------------------------------------
def fuxictr_fit(
    data: CtrData, config: TrainConfig, crosses: int, folder: Path
) -> Callable[[], None]:
    """A call that trains FuxiCTR's DCN-v2 by its own ``fit``, from files written to ``folder``."""
    from fuxictr.features import FeatureMap
    from fuxictr.pytorch.dataloaders import RankDataLoader

    features = FeatureMap(data.name, str(folder))
    features.features = OrderedDict(
        (name, {"type": "categorical", "source": "", "vocab_size": rows})
        for name, rows in zip(data.fields, data.field_rows, strict=True)
    )
    features.labels, features.num_fields = ["label"], len(data.fields)
    features.set_column_index()
    files = {name: str(folder / f"{name}.npz") for name in ("train", "valid")}
    for name, file in files.items():
        np.savez(file, **_columns(data, getattr(data, name)))
    train, valid = RankDataLoader(
        features, "train", files["train"], files["valid"], batch_size=config.batch
    )
    (folder / data.name).mkdir()

    def fit() -> None:
        torch.manual_seed(0)
        model = _fuxictr_model(features, config, crosses, folder)
        model.fit(train, epochs=config.epochs, validation_data=valid)

    return fit


def _columns(data: CtrData, split: Split) -> dict[str, np.ndarray]:
    """What FuxiCTR reads: a column a field, ids counted from its first row, and the label."""
    starts = np.cumsum([0, *data.field_rows[:-1]])
    columns = dict(zip(data.fields, (split.ids.numpy() - starts).T, strict=True))
    return columns | {"label": split.labels.numpy()}


def _fuxictr_model(features, config: TrainConfig, crosses: int, folder: Path) -> nn.Module:
    """DCN-v2 of FuxiCTR's own layers, joined as in its model zoo, which its package leaves out."""
    from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, MLP_Block
    from fuxictr.pytorch.models import BaseModel

    class DCNv2(BaseModel):
        def __init__(self):
            super().__init__(
                features, "DCNv2", verbose=0, model_root=str(folder), metrics=["logloss"],
                monitor="logloss", monitor_mode="min", early_stop_patience=config.patience,
                embedding_regularizer=config.table_l2 or None,
            )  # fmt: skip
            width = len(features.features) * _DIM
            self.table = FeatureEmbedding(features, _DIM)
            self.crosses = CrossNetV2(width, crosses)
            self.deep = MLP_Block(width, _HIDDEN)
            self.output = nn.Linear(width + _HIDDEN[-1], 1)
            self.compile("adam", "binary_crossentropy", config.lr)
            self.reset_parameters()

        def forward(self, inputs):
            first = self.table(self.get_inputs(inputs), flatten_emb=True)
            joined = torch.cat([self.crosses(first), self.deep(first)], dim=-1)
            return {"y_pred": self.output_activation(self.output(joined))}

    return DCNv2()
