"""Each backbone against its formula, written out by hand."""

from itertools import combinations

import pytest
import torch

from embedstudy.backbones import BACKBONES
from embedstudy.core.errors import StudyError

FIELDS, DIM, BATCH = 5, 4, 7
OPTIONS = {"hidden": [6, 3], "dropout": 0.0}


def built(name, **options):
    torch.manual_seed(0)
    model = BACKBONES[name](FIELDS, DIM, **(OPTIONS | options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero: make them count
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, torch.randn(BATCH, FIELDS, model.table_dim(DIM))


def pair_products(latent):
    return torch.stack(
        [(latent[:, i] * latent[:, j]).sum(-1) for i, j in combinations(range(FIELDS), 2)], 1
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_logits_one_an_example_and_gradients_everywhere(name):
    model, vectors = built(name, batch_norm=True, dropout=0.1)
    model.train()
    logits = model(vectors.requires_grad_())
    assert logits.shape == (BATCH,)
    logits.square().sum().backward()
    assert (vectors.grad != 0).any(-1).all()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "columns"),
    [("lr", 1), ("fm", 5), ("deepfm", 5), ("wide_deep", 5), ("dcnv2", 4), ("dlrm", 4)],
)
def test_first_order_weights_are_a_column_of_the_table(name, columns):
    assert BACKBONES[name].table_dim(DIM) == columns


def test_logistic_regression_is_sum_plus_bias():
    model, vectors = built("lr")
    torch.testing.assert_close(model(vectors), vectors[:, :, 0].sum(1) + model.bias)


def test_fm_is_the_brute_force_sum_over_pairs():
    model, vectors = built("fm")
    expected = model.bias + vectors[..., 0].sum(1) + pair_products(vectors[..., 1:]).sum(1)
    torch.testing.assert_close(model(vectors), expected)


def test_deepfm_is_fm_plus_deep():
    model, vectors = built("deepfm")
    deep = model.deep(vectors[..., 1:].reshape(BATCH, -1))[:, 0]
    expected = vectors[..., 0].sum(1) + pair_products(vectors[..., 1:]).sum(1) + deep
    torch.testing.assert_close(model(vectors), expected)


def test_wide_deep_is_linear_plus_deep():
    model, vectors = built("wide_deep")
    deep = model.deep(vectors[..., 1:].reshape(BATCH, -1))[:, 0]
    torch.testing.assert_close(model(vectors), vectors[..., 0].sum(1) + deep)


def test_mlp_layer_order_and_initialisation():
    layers = BACKBONES["wide_deep"](FIELDS, 40, hidden=[300], dropout=0.5, batch_norm=True).deep
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"]
    xavier = (2 / (FIELDS * 40 + 300)) ** 0.5
    assert layers[0].weight.std().item() == pytest.approx(xavier, rel=0.05)
    assert not layers[0].bias.any()


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_dcnv2_crosses_by_hand(structure):
    model, vectors = built("dcnv2", cross_layers=2, structure=structure)
    x0 = vectors.reshape(BATCH, -1)
    x = x0
    for layer in model.crosses:
        x = x0 * (x @ layer.weight.T + layer.bias) + x
    joined = torch.cat([x, model.deep(x0)], 1) if structure == "parallel" else model.deep(x)
    expected = joined @ model.output.weight[0] + model.output.bias
    torch.testing.assert_close(model(vectors), expected)


def test_dlrm_feeds_the_products_of_all_pairs():
    model, vectors = built("dlrm")
    products = model.interact(vectors)
    assert products.shape == (BATCH, FIELDS * (FIELDS - 1) // 2)
    torch.testing.assert_close(products, pair_products(vectors))
    torch.testing.assert_close(model(vectors), model.top(products)[:, 0])


def test_dlrm_cat_feeds_the_vectors():
    model, vectors = built("dlrm", interaction="cat")
    torch.testing.assert_close(model(vectors), model.top(vectors.reshape(BATCH, -1))[:, 0])


@pytest.mark.parametrize("name", ["deepfm", "dcnv2"])
def test_weights_of_constant_zero_columns_are_dead(name):
    """A table of fewer columns, padded with zeros, trains the backbone at the smaller dimension."""
    model, vectors = built(name)
    vectors[..., -2:] = 0
    before = model(vectors)
    layers = [model.deep[0], *getattr(model, "crosses", [])]
    with torch.no_grad():
        for layer in layers:
            layer.weight.view(-1, FIELDS, DIM)[..., -2:] += 1.0
    torch.testing.assert_close(model(vectors), before)


@pytest.mark.parametrize(("name", "option"), [("dcnv2", "structure"), ("dlrm", "interaction")])
def test_unknown_options_are_named(name, option):
    with pytest.raises(StudyError, match="not 'odd'"):
        built(name, **{option: "odd"})


def test_same_seed_same_backbone():
    first, vectors = built("dcnv2")
    second, _ = built("dcnv2")
    assert torch.equal(first(vectors), second(vectors))
