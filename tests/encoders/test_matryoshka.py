"""Losses over depths and widths, and sub-models, on a tiny encoder of two layers."""

import copy
import json
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CoSENTLoss,
    MultipleNegativesRankingLoss,
)

from embedstudy.core.errors import StudyError
from embedstudy.encoders import matryoshka
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.matryoshka.ese import principal
from embedstudy.encoders.matryoshka.layers import pooled_layers
from embedstudy.encoders.matryoshka.losses import divergence
from embedstudy.encoders.matryoshka.masking import hide, word_masks
from embedstudy.encoders.matryoshka.smae import StarbucksMAE
from embedstudy.encoders.matryoshka.training import TrainingSet

ANCHORS = ["the cat sat", "a dog", "flow of heat", "wing on a plate"]
POSITIVES = ["the cat", "the dog sat", "heat", "a wing"]


@pytest.fixture
def model(encoder):
    return copy.deepcopy(encoder).eval()


@pytest.fixture
def columns(model):
    return [model.preprocess(texts) for texts in (ANCHORS, POSITIVES)]


def base(model):
    return MultipleNegativesRankingLoss(model)


def test_one_pass_gives_the_vectors_of_every_sub_model(model):
    pooled = pooled_layers(model, model.preprocess(ANCHORS))
    for depth, dim in ((1, 32), (2, 32), (1, 8), (2, 5)):
        cut = pooled[depth - 1][:, :dim]
        expected = torch.nn.functional.normalize(cut, dim=1).detach().numpy()
        assert encode(matryoshka.sub_model(model, (depth, dim)), ANCHORS) == pytest.approx(
            expected, abs=1e-5
        )
    assert model[0].auto_model.config.output_hidden_states in (None, False)


def test_without_sub_models_it_is_the_base_loss(model, columns):
    assert matryoshka.PairsLoss(model, base(model), [])(columns, None).item() == pytest.approx(
        base(model)(columns, None).item(), abs=1e-5
    )


def test_the_total_by_hand(model, columns):
    pooled = [pooled_layers(model, features) for features in columns]

    def part(depth, dim):
        vectors = [layers[depth - 1][:, :dim] for layers in pooled]
        return base(model).compute_loss_from_embeddings(vectors, None)

    def pull(depth, dim):
        student = torch.cat([layers[depth - 1][:, :dim] for layers in pooled])
        teacher = torch.cat([layers[-1][:, :dim] for layers in pooled])
        logs = student.log_softmax(1)
        chance = teacher.softmax(1)
        return (chance * (chance.log() - logs)).sum(1).mean()

    full, pairs = part(2, 32), [(1, 8), (1, 16)]
    sums = [part(*pair) + 0.3 * pull(*pair) for pair in pairs]
    starbucks = matryoshka.StarbucksLoss(model, base(model), pairs)(columns, None)
    assert starbucks.item() == pytest.approx((full + sum(sums)).item(), rel=1e-5)
    means = [part(*pair) + pull(*pair) for pair in pairs]
    every = matryoshka.PairsLoss(model, base(model), pairs)(columns, None)
    assert every.item() == pytest.approx((full + sum(means) / 2).item(), rel=1e-5)


def test_a_detached_teacher_is_not_taught_by_its_student():
    vectors = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    student, teacher = vectors.clone().requires_grad_(), (vectors + 1.5 * vectors**2)
    teacher = teacher.clone().requires_grad_()
    loss = matryoshka.PairsLoss.__new__(matryoshka.PairsLoss)
    torch.nn.Module.__init__(loss)
    loss.kl, loss.kl_weight = "dims", 1.0
    for detach in (True, False):
        teacher.grad = None
        loss.detach = detach
        loss._alignment([student], [teacher]).backward()
        assert (teacher.grad is None) == detach


def test_the_pull_between_scores_ignores_what_cosines_do_not_see(model):
    loss = matryoshka.PairsLoss(model, base(model), [], kl="scores")
    full = [torch.randn(4, 8), torch.randn(4, 8)]
    longer = [3 * one for one in full]
    assert loss._alignment(longer, full).item() == pytest.approx(0, abs=1e-6)


def test_gradients_reach_every_block_but_a_shallow_loss_only_its_own(model, columns):
    matryoshka.StarbucksLoss(model, base(model), [(1, 8)])(columns, None).backward()
    for block in model[0].auto_model.encoder.layer:
        assert block.attention.self.query.weight.grad.abs().sum() > 0


def test_random_pairs_are_drawn_anew(model, columns):
    pairs = [(1, 8), (1, 16), (2, 8)]
    loss = matryoshka.RandomPairsLoss(model, base(model), pairs)
    random.seed(0)
    drawn = [loss.chosen()[0] for _ in range(30)]
    assert set(drawn) == set(pairs)
    random.seed(1)
    first = loss(columns, None).item()
    random.seed(1)
    assert loss(columns, None).item() == first


def test_principal_components_by_hand():
    vectors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-2.0, 0.0]])
    alike = (vectors.T @ vectors / 2**0.5).softmax(-1)
    left, values, _ = torch.linalg.svd(alike)
    assert torch.allclose(principal(vectors, 1), vectors @ (left[:, :1] * values[:1]))


def test_the_other_losses_train(model, columns):
    for loss in (
        matryoshka.EspressoLoss(model, base(model), k=8),
        matryoshka.OldMatryoshka2dLoss(model, base(model), [32, 8]),
        matryoshka.AngleMatryoshka2dLoss(model, base(model), [8]),
    ):
        model.zero_grad()
        value = loss(columns, None)
        value.backward()
        assert torch.isfinite(value)
        assert model[0].auto_model.encoder.layer[0].output.dense.weight.grad.abs().sum() > 0


def test_training_lowers_the_loss_and_repeats_itself(encoder):
    def run():
        trained = copy.deepcopy(encoder)
        loss = matryoshka.StarbucksLoss(trained, base(trained), [(1, 8)])
        losses = matryoshka.train(
            trained, [TrainingSet(loss, [ANCHORS, POSITIVES])], steps=30, batch=4, lr=2e-3, seed=0
        )
        return losses, encode(trained, ANCHORS)

    (losses, vectors), (_, again) = run(), run()
    assert losses[-1] < 0.7 * losses[0]
    assert vectors.tobytes() == again.tobytes()


def test_sets_take_turns_and_judged_pairs_bring_their_labels(encoder):
    trained = copy.deepcopy(encoder)
    sets = [
        TrainingSet(base(trained), [ANCHORS, POSITIVES]),
        TrainingSet(
            matryoshka.StarbucksLoss(trained, CoSENTLoss(trained), [(1, 8)]),
            [ANCHORS, POSITIVES],
            [1.0, 0.9, 0.1, 0.0],
        ),
    ]
    losses = matryoshka.train(trained, sets, steps=4, batch=4, lr=1e-3, seed=0)
    assert len(losses) == 4
    assert losses[0] != pytest.approx(losses[1], rel=0.05), "two losses on the same texts"


def test_the_clock_can_end_training(encoder):
    trained = copy.deepcopy(encoder)
    sets = [TrainingSet(base(trained), [ANCHORS, POSITIVES])]
    losses = matryoshka.train(trained, sets, steps=1, batch=4, lr=1e-3, seed=0, seconds=0.3)
    assert len(losses) > 1


def test_masks_take_whole_words_and_lie_one_in_the_other(model):
    texts = ["the cats sat on the mats of heated plates"] * 300 + ["a"]
    ids = model.preprocess(texts)["input_ids"]
    few, many = word_masks(ids, model.tokenizer, (0.2, 0.4), torch.Generator().manual_seed(0))
    pieces = model.tokenizer.convert_ids_to_tokens(ids[0])
    assert (few & ~many).sum() == 0
    assert not many[:, 0].any(), "special tokens stay"
    for row in (*few[:300], *many[:300]):
        for place, piece in enumerate(pieces):
            if piece.startswith("##"):
                assert row[place] == row[place - 1], "a word is hidden whole"
    for mask, share in ((few, 0.2), (many, 0.4)):
        rows = mask[:300].sum(1)
        assert rows.max() <= round(share * len(pieces))
        assert rows.min() >= 1
    assert many[300].tolist() == [False, True, *[False] * (len(pieces) - 2)], "at least one piece"
    assert not torch.equal(many[0], many[1]), "drawn anew for each text"


def test_of_what_is_hidden_a_tenth_is_exchanged_and_a_tenth_shown(model):
    ids = model.preprocess(["the cat sat on the mat"] * 800)["input_ids"]
    mask = torch.zeros_like(ids, dtype=torch.bool)
    mask[:, 2:6] = True
    shown, targets = hide(ids, mask, model.tokenizer, torch.Generator().manual_seed(0))
    hit = shown[mask]
    kinds = (hit == model.tokenizer.mask_token_id), (hit == ids[mask])
    assert kinds[0].float().mean() == pytest.approx(0.8, abs=0.03)
    assert kinds[1].float().mean() == pytest.approx(0.1, abs=0.03)
    assert len(hit[~kinds[0] & ~kinds[1]].unique()) > 30, "exchanged for any piece"
    assert torch.equal(targets[mask], ids[mask])
    assert torch.equal(shown[~mask], ids[~mask])
    assert (targets[~mask] == -100).all()


def test_the_decoder_reads_the_vector_and_predicts_through_the_whole_head(model):
    loss = StarbucksMAE(model, [(1, 8)]).eval()
    seen = []
    loss.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    head, widths = loss._head, []
    loss._head = lambda vectors, dim: widths.append((vectors.dim(), dim)) or head(vectors, dim)
    features = model.preprocess(["the cat sat on the mat"])
    loss(features, torch.Generator().manual_seed(0))
    assert widths == [(3, 8), (2, 8), (3, 32)], "of the pieces, the vector, what was decoded"
    first = loss.model[0].auto_model.encoder.layer[0]
    for name, value in loss.decoder.named_parameters():
        assert torch.equal(value, first.get_parameter(name)), "it starts as the first block"
    assert seen[0].shape == (1, features["input_ids"].shape[1], 32)


def test_the_masked_loss_reads_the_first_numbers_only(model):
    loss = StarbucksMAE(model, [(1, 8)]).eval()
    vectors = torch.randn(2, 8)
    wide = torch.cat([loss.dense.weight[:, :8], torch.full((32, 24), 9.0)], dim=1)
    expected = loss._head(vectors, 8)
    with torch.no_grad():
        loss.dense.weight.copy_(wide)
    assert torch.equal(loss._head(vectors, 8), expected)


def test_pretraining_lowers_its_loss_at_every_size_together(encoder):
    trained = copy.deepcopy(encoder)
    losses = matryoshka.pretrain(
        trained, ANCHORS, [(1, 8), (2, 32)], steps=60, batch=4, lr=3e-3, seed=0
    )
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    assert encode(trained, ANCHORS).shape == (4, 32)


def test_divergence_of_equal_vectors_is_zero():
    one = torch.randn(3, 5)
    assert divergence(one, one).item() == pytest.approx(0, abs=1e-6)


# -- sub-models -------------------------------------------------------------------------------------
def test_a_sub_model_loads_in_the_library_alone_and_is_smaller(model, tmp_path):
    small = matryoshka.sub_model(model, (1, 8))
    small.save(str(tmp_path / "small"))
    model.save(str(tmp_path / "full"))
    script = (
        "import sys, json; from sentence_transformers import SentenceTransformer\n"
        "print(json.dumps(SentenceTransformer(sys.argv[1]).encode(['the cat'])[0].tolist()))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    vector = np.array(json.loads(done.stdout.strip().splitlines()[-1]))
    assert vector == pytest.approx(encode(small, ["the cat"])[0], abs=1e-6)
    sizes = [
        sum(p.stat().st_size for p in (tmp_path / name).rglob("*.safetensors"))
        for name in ("small", "full")
    ]
    assert sizes[0] < sizes[1]
    assert isinstance(SentenceTransformer(str(tmp_path / "small"))[2], torch.nn.Module)


def test_a_sub_model_asks_with_the_prompts_of_the_whole_encoder(model, tmp_path):
    model.prompts = {"query": "the dog on a mat ", "document": "heat "}
    model.default_prompt_name = "query"
    small = matryoshka.sub_model(model, (2, 32))
    small.save(str(tmp_path / "small"))
    loaded = SentenceTransformer(str(tmp_path / "small"), device="cpu").eval()
    for one in (small, loaded):
        assert one.prompts == model.prompts
        assert one.default_prompt_name == "query"
        for options in ({}, {"prompt_name": "document"}):
            expected = model.encode(ANCHORS, **options)
            assert one.encode(ANCHORS, **options) == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(model.encode(ANCHORS), model.encode(ANCHORS, prompt=""), atol=1e-3)


def test_a_mean_is_taken_off_at_full_width_too(model):
    pooled = pooled_layers(model, model.preprocess(ANCHORS))[1].detach().numpy()
    for dim in (32, 6):
        expected = (pooled - pooled.mean(0))[:, :dim]
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        found = encode(matryoshka.sub_model(model, (2, dim), mean=pooled.mean(0)), ANCHORS)
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_projection_takes_the_place_of_the_first_dimensions(model):
    pooled = pooled_layers(model, model.preprocess(ANCHORS))[1].detach().numpy()
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))[0].astype(np.float32)
    mean = pooled.mean(0)
    expected = (pooled - mean) @ axes[:, :6]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = encode(matryoshka.sub_model(model, (2, 6), axes, mean), ANCHORS)
    assert found == pytest.approx(expected, abs=1e-4)


def test_mistakes_are_one_sentence(model):
    with pytest.raises(StudyError, match="3 layers and 8 dimensions is asked of an encoder of 2"):
        matryoshka.sub_model(model, (3, 8))
    with pytest.raises(StudyError, match="1 layers and 64 dimensions is asked"):
        matryoshka.StarbucksLoss(model, base(model), [(1, 64)])
    with pytest.raises(StudyError, match="cannot be computed from vectors"):
        matryoshka.PairsLoss(model, CachedMultipleNegativesRankingLoss(model), [])
    with pytest.raises(StudyError, match="kl must be one of dims, scores, none"):
        matryoshka.PairsLoss(model, base(model), [], kl="magic")
    sets = [TrainingSet(base(model), [ANCHORS, POSITIVES])]
    with pytest.raises(StudyError, match="There are 4 training rows, a batch takes 9"):
        matryoshka.train(model, sets, steps=1, batch=9, lr=0.1, seed=0)
    with pytest.raises(StudyError, match="There are 4 texts, a batch takes 9"):
        matryoshka.pretrain(model, ANCHORS, [(1, 8)], steps=1, batch=9, lr=0.1, seed=0)
