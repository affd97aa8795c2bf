import math

import pytest
import torch
from torch import nn

from embedstudy.backbones import BACKBONES
from embedstudy.core.errors import Diverged
from embedstudy.measure import quality
from embedstudy.study.tables.data import load_ctr
from embedstudy.study.tables.train import Model, TrainConfig, Trainer, make_optimizer, predict
from embedstudy.tables.baselines.low_rank import LowRank
from embedstudy.tables.reference.methods import METHODS


def fit(model, data, config, seed):
    return Trainer(model, data, config, seed).fit()


CONFIG = TrainConfig(batch=128, lr=0.01, epochs=12, patience=2)


def model_for(data, seed=0):
    spec = data.spec(BACKBONES["dcnv2"].table_dim(8), 0.05)
    torch.manual_seed(seed)
    backbone = BACKBONES["dcnv2"](len(data.fields), 8, hidden=[16], dropout=0.0)
    return Model(METHODS["full"].build(spec, spec.full_bytes, seed), backbone)


def test_training_learns_the_pattern_and_restores_the_best_epoch(prepared):
    data = load_ctr(prepared)
    model = model_for(data)
    result = fit(model, data, CONFIG, seed=0)
    assert result.best < 0.55  # a constant prediction gives 0.69, the truth 0.42
    again = nn.functional.binary_cross_entropy_with_logits(
        predict(model, data.valid), data.valid.labels
    )
    assert again.item() == result.best
    assert result.best_epoch <= result.epochs <= CONFIG.epochs


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(prepared):
    data = load_ctr(prepared)
    weights = []
    for seed in (0, 0, 1):
        model = model_for(data, seed)
        fit(model, data, CONFIG, seed)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_train_bytes_count_parameters_gradients_and_both_adam_moments(prepared):
    data = load_ctr(prepared)
    model = model_for(data)
    result = fit(model, data, TrainConfig(batch=512, epochs=1), seed=0)
    parameters = sum(p.numel() for p in model.table.parameters()) * 4
    buffers = sum(b.numel() * b.element_size() for b in model.table.buffers())
    adam_step = 4 * sum(1 for _ in model.table.parameters())
    assert result.train_bytes == 4 * parameters + buffers + adam_step


def test_the_optimizer_decays_rows_by_table_l2_factors_by_their_own_and_no_backbone(prepared):
    data = load_ctr(prepared)
    spec = data.spec(8, 0.05)
    backbone = BACKBONES["dcnv2"](len(data.fields), 8, hidden=[16])
    for factor_l2, expected in ((None, 0.01), (0.0, 0.0), (0.5, 0.5)):
        table = LowRank.build(spec, spec.full_bytes // 2, 0, factor_l2=factor_l2)
        optimizer = make_optimizer(Model(table, backbone), TrainConfig(table_l2=0.01))
        decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
        assert decay.pop(id(table.rows)) == 0.01
        assert decay.pop(id(table.directions)) == expected
        assert set(decay) == {id(p) for p in backbone.parameters()}
        assert set(decay.values()) == {0}


def test_divergence_is_detected(prepared):
    data = load_ctr(prepared)
    model = model_for(data)
    with pytest.raises(Diverged):
        fit(model, data, TrainConfig(batch=128, lr=math.inf, epochs=2), seed=0)


def test_early_stopping_never_reads_the_test_split(prepared):
    data = load_ctr(prepared)
    blind = type(data)(**(vars(data) | {"test": None}))
    assert fit(model_for(data), blind, CONFIG, 0).best == pytest.approx(
        fit(model_for(data), data, CONFIG, 0).best, abs=0
    )


def test_clipping_bounds_the_step_and_zero_switches_it_off(prepared):
    data = load_ctr(prepared)
    losses = [
        fit(model_for(data), data, TrainConfig(batch=128, lr=0.01, epochs=2, clip=clip), 0)
        for clip in (0.0, 1e9, 1e-9)
    ]
    assert losses[0].best == losses[1].best
    assert losses[2].best > losses[0].best


def test_training_stops_after_patience_epochs_without_gain(prepared):
    data = load_ctr(prepared)
    result = fit(model_for(data), data, TrainConfig(batch=128, lr=0.05, epochs=40, patience=3), 0)
    assert result.epochs == result.best_epoch + 3


def test_auc_can_decide_instead_of_logloss(prepared):
    data = load_ctr(prepared)
    model = model_for(data)
    config = TrainConfig(batch=128, lr=0.01, epochs=6, monitor="auc")
    result = fit(model, data, config, seed=0)
    labels = data.valid.labels.numpy()
    assert result.best == -quality.auc(labels, predict(model, data.valid).numpy())
