"""BEBR: its recurrence, what is compared, and the loss, worked out without its code."""

import numpy as np
import pytest
import torch
from vectors import CORPUS, DIM, QUERIES, TRAIN

from embedstudy import codes
from embedstudy.codes import bebr
from embedstudy.core.errors import StudyError

SMALL = {"width": 16, "hidden": 24, "steps": 2, "batch": 64}


def fitted(**options):
    return codes.build("bebr", SMALL | options).fit(TRAIN)


def mapped(books, name, x):
    """linear, batch normalisation, ReLU, linear, by numpy: [n, outputs]."""
    hidden = x @ books[f"{name}.0.weight"].T + books[f"{name}.0.bias"]
    spread = np.sqrt(books[f"{name}.1.running_var"] + 1e-5)
    hidden = (hidden - books[f"{name}.1.running_mean"]) / spread
    hidden = np.maximum(hidden * books[f"{name}.1.weight"] + books[f"{name}.1.bias"], 0)
    return hidden @ books[f"{name}.3.weight"].T + books[f"{name}.3.bias"]


def test_each_level_codes_what_the_levels_before_left_over():
    codec = fitted(levels=3)
    books = codec.codebooks
    b, levels = 0, []
    for level in range(3):
        if level == 0:
            values = mapped(books, "first", CORPUS)
        else:
            said = mapped(books, f"back.{level - 1}", b)
            said /= np.linalg.norm(said, axis=1, keepdims=True)
            values = mapped(books, f"rest.{level - 1}", CORPUS - said)
        levels.append(values > 0)
        b = b + np.where(values > 0, 1, -1) * 2.0**-level
    assert np.array_equal(np.unpackbits(codec.encode(CORPUS), axis=1), np.hstack(levels))
    queries = np.unpackbits(codec.encode(QUERIES), axis=1).reshape(len(QUERIES), 3, 16) * 2.0 - 1
    a = (queries * np.array([1, 0.5, 0.25])[:, None]).sum(axis=1)
    cosine = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (
        b / np.linalg.norm(b, axis=1, keepdims=True)
    ).T
    assert codec.score(QUERIES, codec.encode(CORPUS)) == pytest.approx(cosine, abs=1e-5)


def test_the_loss_sets_a_partner_against_the_five_hardest_of_the_others():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 9, 4))
    share = np.eye(9, dtype=bool)
    share[2, 5] = share[5, 2] = True
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second)]
    expected = 0.0
    for one, other in (unit, unit[::-1]):
        for row in range(9):
            logits = other @ one[row] / 0.05
            hardest = np.sort(logits[~share[row]])[-5:]
            every = np.concatenate([[logits[row]], hardest])
            expected += (np.log(np.exp(every - every.max()).sum()) + every.max() - logits[row]) / 9
    loss = bebr.contrast(*map(torch.from_numpy, (first, second, share)))
    assert loss.item() == pytest.approx(expected)


def test_pairs_that_share_a_vector_are_not_each_others_negatives():
    a, b, c, d, e = np.eye(5, dtype=np.float32)
    names = bebr._names(np.stack([a, b, c, a]), np.stack([b, c, d, e]))
    # a-b and b-c have b in common, b-c and c-d have c, a-b and a-e have a.
    expected = [[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]
    assert bebr._share(names).int().tolist() == expected


def test_a_partner_is_the_nearest_other_vector():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.8]], np.float32)
    assert bebr._nearest(vectors).tolist() == [1, 0, 3, 2]


def test_training_brings_partners_together():
    def loss(steps):
        rows = torch.arange(64)
        second = TRAIN[bebr._nearest(TRAIN)]
        codec = codes.build("bebr", SMALL | {"steps": steps, "hidden": 64}).fit(TRAIN)
        one, other = (codec._weighed(codec.encode(x[rows])) for x in (TRAIN, second))
        share = bebr._share(bebr._names(TRAIN, second)[:, rows])
        return bebr.contrast(torch.from_numpy(one), torch.from_numpy(other), share).item()

    assert loss(200) < 0.9 * loss(1)


def test_partners_can_be_given():
    codec = codes.build("bebr", SMALL)
    mine = codec.fit(TRAIN, partners=TRAIN[::-1]).encode(CORPUS)
    assert not np.array_equal(mine, codec.fit(TRAIN).encode(CORPUS))
    itself = codec.fit(TRAIN, partners=TRAIN[bebr._nearest(TRAIN)]).encode(CORPUS)
    assert np.array_equal(itself, codec.fit(TRAIN).encode(CORPUS))
    with pytest.raises(StudyError, match="give one for each"):
        codec.fit(TRAIN, partners=TRAIN[:5])
    with pytest.raises(StudyError, match="give at least 2 training vectors"):
        codec.fit(TRAIN[:1])


def test_only_matrices_decay_and_the_rate_falls_once():
    decaying, others = bebr._groups(bebr.Network(DIM, 16, 2, 24))
    assert len(decaying["params"]) == 6
    assert decaying["weight_decay"] == 1e-3
    assert len(others["params"]) == 12


def test_nothing_is_drawn_from_the_global_generator():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    codec = fitted()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(codec.encode(CORPUS), fitted().encode(CORPUS))


def test_signs_pass_gradients_within_one_of_zero():
    values = torch.tensor([0.5, -0.9, 1.5, -2.0], requires_grad=True)
    bebr.WindowedSign.apply(values, bebr._WINDOW).sum().backward()
    assert values.grad.tolist() == [1, 1, 0, 0]


def test_there_is_no_decoded_form():
    codec = fitted()
    with pytest.raises(StudyError, match="no decoded form"):
        codec.decode(codec.encode(CORPUS))
    assert codec.codebook_bytes() > 4 * 3 * (DIM * 24 + 24 * 16), "queries need every map"
