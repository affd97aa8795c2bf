import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core.encode import encode, read_texts, token_counts

TEXTS = [
    "the cat sat on a mat",
    "",
    "wing",
    "heat of the plate " * 20,  # cut
    "the cat sat on a mat",
    "zebra crossing ü",
    *(" ".join(["flow"] * n) for n in (9, 3, 17, 1)),
]


@pytest.mark.parametrize("tokens", [None, 1, 30, 100_000])
def test_vectors_are_those_of_sentence_transformers(encoder, tokens):
    expected = encoder.encode(TEXTS)
    found = encode(encoder, TEXTS, tokens=tokens)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected[0] - expected[2]).max() > 0.01  # not all alike


def test_batches_hold_the_named_tokens_and_each_text_once(encoder, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        encoder[0], "forward", _spy(encoder[0].forward, lambda f: shapes.append(f["input_ids"]))
    )
    encode(encoder, TEXTS, tokens=48)
    assert all(ids.numel() <= 48 for ids in shapes)
    assert sum(len(ids) for ids in shapes) == len(set(TEXTS))
    assert [ids.shape[1] for ids in shapes] == sorted((i.shape[1] for i in shapes), reverse=True)


def _spy(forward, see):
    def call(features, **options):
        see(features)
        return forward(features, **options)

    return call


def test_no_texts(encoder):
    assert encode(encoder, []).shape == (0, 32)


def test_a_prompt_of_the_encoder_is_kept(encoder_folder):
    from embedstudy.encoders.core.pretrained import load_encoder

    prompted = load_encoder(encoder_folder)
    plain = encode(prompted, TEXTS)
    prompted.prompts, prompted.default_prompt_name = {"ask": "the wing of "}, "ask"
    found = encode(prompted, TEXTS)
    assert np.abs(found - prompted.encode(TEXTS)).max() < 1e-5
    assert np.abs(found - plain).max() > 0.01


def test_a_cut_of_the_dimensions_is_kept(encoder_folder):
    cut = SentenceTransformer(str(encoder_folder), device="cpu", truncate_dim=8)
    assert encode(cut, TEXTS) == pytest.approx(cut.encode(TEXTS), abs=1e-5)
    assert encode(cut, []).shape == encode(cut, TEXTS)[:0].shape == (0, 8)


def test_an_encoder_that_is_no_transformer(encoder):
    static = SentenceTransformer(
        modules=[StaticEmbedding(encoder.tokenizer, embedding_dim=8)], device="cpu"
    )
    assert encode(static, TEXTS) == pytest.approx(static.encode(TEXTS))


def test_token_counts_know_the_cut(encoder):
    counts = token_counts(encoder, ["", "the cat", "flow " * 40])
    assert counts.tolist() == [2, 4, 24]


def test_no_gradient_is_kept_and_dropout_is_off(encoder):
    encoder.train()
    first = encode(encoder, TEXTS)
    assert np.array_equal(first, encode(encoder, TEXTS))
    assert not encoder.training
    assert torch.is_grad_enabled()


def test_read_texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffeins\r\n\r\n  zwei ö \n".encode())
    assert read_texts(path) == ["eins", "zwei ö"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text"),
        (b" \n\n", "holds no text"),
        ("größe".encode("latin-1"), "is not UTF-8 \\(byte 3\\)"),
        (None, "There is no file"),
    ],
)
def test_unreadable_texts_are_one_sentence(tmp_path, content, message):
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=message) as raised:
        read_texts(path)
    assert str(path) in str(raised.value)


def test_progress_is_told_to_whoever_asks(encoder):
    shares = []
    encode(encoder, TEXTS, tokens=24, progress=shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] == 1
