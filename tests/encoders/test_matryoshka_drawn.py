"""2D Matryoshka losses that draw: beside the library's own and by hand, on an encoder of four blocks."""

import copy
import random
from types import SimpleNamespace

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    Matryoshka2dLoss,
    MultipleNegativesRankingLoss,
    adaptive_layer,
)

from embedstudy.core.errors import StudyError
from embedstudy.encoders import matryoshka
from embedstudy.encoders.matryoshka.layers import pooled_layers

TEXTS = (
    ["the cat sat", "a dog", "flow of heat", "wing on a plate"],
    ["the cat", "the dog sat", "heat", "a wing"],
)
DIMS = [32, 16, 8]
BLOCKS, SEEDS = 4, range(12)


@pytest.fixture
def model(encoder):
    model = copy.deepcopy(encoder).eval()
    blocks = model[0].auto_model.encoder.layer
    blocks.extend(copy.deepcopy(blocks))
    model[0].auto_model.config.num_hidden_layers = BLOCKS
    rng = torch.Generator().manual_seed(0)
    for parameter in blocks.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=rng)
    return model


def base(model):
    return MultipleNegativesRankingLoss(model)


def of_seed(model, seed, loss):
    """The value of ``loss(columns)`` and its gradients, all of them in one vector."""
    random.seed(seed)
    model.zero_grad()
    value = loss([model.preprocess(texts) for texts in TEXTS])
    value.backward()
    grads = [one.grad.flatten() for one in model.parameters() if one.grad is not None]
    return value.item(), torch.cat(grads)


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert torch.allclose(found[1], expected[1], atol=1e-5, rtol=1e-3)


def kl(student, teacher):
    p, q = teacher.softmax(1), student.softmax(1)
    return (p * (p.log() - q.log())).sum(1).mean()


def pooled(model, columns):
    """Vectors by number of blocks, 0 the embedding layer's, of each column."""
    return [pooled_layers(model, features, embedding_layer=True) for features in columns]


def by_hand(model, columns, *, first, weight, detach=False):
    """The library's formula with layers ``first`` to ``BLOCKS`` - 1 drawn in its order."""
    layers = pooled(model, columns)
    unit = torch.nn.functional.normalize

    def at(n, dim):
        cut = [unit(one[n][:, :dim]) for one in layers]
        return base(model).compute_loss_from_embeddings(cut, None)

    full_width = DIMS[random.randrange(3)]
    n = first + random.randrange(BLOCKS - first)
    width = DIMS[random.randrange(3)]
    teacher, student = (torch.cat([unit(one[i]) for one in layers]) / 0.3 for i in (BLOCKS, n))
    teacher = teacher.detach() if detach else teacher
    return at(BLOCKS, full_width) + weight(n) * at(n, width) + 0.3 * kl(student, teacher)


@pytest.fixture
def blocks_alone(monkeypatch):
    """The library's loss draws no embedding layer."""
    sample = SimpleNamespace(sample=lambda layers, count: random.sample(layers[1:], count))
    monkeypatch.setattr(adaptive_layer, "random", sample)


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_only_is_the_librarys_loss_but_for_the_embedding_layer(model, blocks_alone, seed):
    ours = matryoshka.BlocksMatryoshka2dLoss(model, base(model), DIMS)
    library = Matryoshka2dLoss(model, base(model), DIMS)
    found = of_seed(model, seed, lambda columns: ours(columns, None))
    assert_same(found, of_seed(model, seed, lambda columns: library(columns, None)))


@pytest.mark.parametrize("seed", SEEDS)
def test_until_5_1_2_a_block_was_weighed_by_its_number(model, seed):
    loss = matryoshka.OldMatryoshka2dLoss(model, base(model), DIMS, version="5.1.2")
    found = of_seed(model, seed, lambda columns: loss(columns, None))
    expected = of_seed(
        model, seed, lambda columns: by_hand(model, columns, first=1, weight=lambda n: 1 / n)
    )
    assert_same(found, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_until_5_6_1_the_embedding_layer_was_drawn_and_weighed_most(model, seed):
    loss = matryoshka.OldMatryoshka2dLoss(model, base(model), DIMS, version="5.6.1")
    found = of_seed(model, seed, lambda columns: loss(columns, None))
    expected = of_seed(
        model, seed, lambda columns: by_hand(model, columns, first=0, weight=lambda n: 1 / (1 + n))
    )
    assert_same(found, expected)
    present = Matryoshka2dLoss(model, base(model), DIMS, layer_weighting="linear")
    value, grads = of_seed(model, seed, lambda columns: present(columns, None))
    assert found[0] == pytest.approx(value, rel=1e-5), "the same weights"
    assert not torch.allclose(found[1], grads, atol=1e-5, rtol=1e-3), "whose teacher is detached"


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_authors_train_four_losses_in_each_step(model, seed, weighted):
    dims = DIMS[1:]
    loss = matryoshka.AngleMatryoshka2dLoss(model, base(model), dims, weighted=weighted)

    def expected(columns):
        layers = pooled(model, columns)

        def at(n, dim):
            return base(model).compute_loss_from_embeddings(
                [one[n][:, :dim] for one in layers], None
            )

        n, dim = 1 + random.randrange(BLOCKS - 1), dims[random.randrange(2)]
        weight = 1 / n if weighted else 1
        pull = kl(*(torch.cat([one[i] for one in layers]) for i in (n, BLOCKS)))
        last, shallow = (at(i, 32) + at(i, dim) for i in (BLOCKS, n))
        return last + weight * shallow + pull

    found = of_seed(model, seed, lambda columns: loss(columns, None))
    assert_same(found, of_seed(model, seed, expected))


def test_a_model_without_normalisation_is_aligned_as_it_is(model):
    plain = SentenceTransformer(modules=[model[0], model[1]], device="cpu").eval()
    loss = matryoshka.BlocksMatryoshka2dLoss(plain, base(plain), DIMS)
    library = Matryoshka2dLoss(plain, base(plain), DIMS)
    loss.embedding_layer = True
    for seed in SEEDS:
        found = of_seed(plain, seed, lambda columns: loss(columns, None))
        assert_same(found, of_seed(plain, seed, lambda columns: library(columns, None)))


def test_of_one_block_the_last_layer_alone_is_trained(encoder):
    shallow = matryoshka.sub_model(encoder, (1, 32))
    columns = [shallow.preprocess(texts) for texts in TEXTS]
    loss = matryoshka.BlocksMatryoshka2dLoss(shallow, base(shallow), [32])
    expected = base(shallow)([shallow.preprocess(texts) for texts in TEXTS], None)
    assert loss(columns, None).item() == pytest.approx(expected.item(), rel=1e-5)


def test_mistakes_are_one_sentence(model):
    with pytest.raises(StudyError, match=r"no old Matryoshka2dLoss '6.2': choose 5.1.2 or 5.6.1"):
        matryoshka.OldMatryoshka2dLoss(model, base(model), DIMS, version="6.2")
    with pytest.raises(StudyError, match="1 layers and 64 dimensions is asked"):
        matryoshka.BlocksMatryoshka2dLoss(model, base(model), [64])


# -- ESE --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("released", "weights"),
    [
        (False, {1: 1.0, 2: 1 / (1 + 0.6931472), 3: 1 / (1 + 1.0986123)}),  # 1 / (1 + ln n)
        (True, {0: 1.0, 1: 1 / (1 + 0.6931472), 2: 1 / (1 + 1.0986123)}),  # block 3 left out
    ],
)
def test_espresso_by_hand(model, released, weights):
    loss = matryoshka.EspressoLoss(model, base(model), k=8, released=released)
    columns = [model.preprocess(texts) for texts in TEXTS]
    layers = pooled(model, columns)

    def compressed(n):
        z = torch.cat([one[n] for one in layers])
        left, values, _ = torch.linalg.svd((z.T @ z / 32**0.5).softmax(1))
        target = (z @ left[:, :8] @ torch.diag(values[:8])).detach()
        first = [one[n][:, :8] for one in layers]
        pull = (z[:, :8] - target).square().mean() + kl(z[:, :8], target)
        return base(model).compute_loss_from_embeddings(first, None) + pull

    full = base(model).compute_loss_from_embeddings([one[BLOCKS] for one in layers], None)
    shallow = sum(weight * compressed(n) for n, weight in weights.items()) / 3
    expected = full + compressed(BLOCKS) + shallow
    assert loss(columns, None).item() == pytest.approx(expected.item(), rel=1e-4)
