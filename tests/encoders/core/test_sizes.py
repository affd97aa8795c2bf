import numpy as np
import pytest

from embedstudy.encoders.core import sizes


def test_every_byte_is_in_one_part(encoder):
    found = sizes.bytes_by_part(encoder)
    assert sum(found.values()) == 4 * sum(p.numel() for p in encoder.parameters())
    vocabulary = encoder[0].auto_model.config.vocab_size
    assert found["word table"] == 4 * 32 * vocabulary
    assert found["positions and types"] == 4 * 32 * (32 + 2)
    assert found["attention"] == 2 * 4 * 4 * (32 * 32 + 32)  # 2 layers, 4 matrices
    assert found["feed-forward"] == 2 * 4 * (2 * 32 * 64 + 64 + 32)
    assert found["layer norms"] == 4 * 5 * 2 * 32
    assert found["pooler"] == 4 * (32 * 32 + 32)
    assert "other" not in found


def test_first_layers_are_those_of_the_encoder(encoder):
    text = ["the cat sat on a mat"]
    cut = sizes.first_layers(encoder, 1)
    assert len(sizes.layers(cut)) == 1
    assert len(sizes.layers(encoder)) == 2
    assert np.array_equal(sizes.first_layers(encoder, 2).encode(text), encoder.encode(text))
    hidden = encoder[0].auto_model(
        **{k: v for k, v in encoder.tokenize(text).items() if hasattr(v, "shape")},
        output_hidden_states=True,
    )
    mean = hidden.hidden_states[1].mean(dim=1).detach().numpy()
    assert cut.encode(text)[0] == pytest.approx(mean[0] / np.linalg.norm(mean), abs=1e-5)


def test_times_by_depth_and_length(encoder):
    assert list(sizes.by_depth(encoder, length=8, repeats=1)) == [0, 1, 2]
    found = sizes.by_length(encoder, [4, 16], repeats=1)
    assert list(found) == [4, 16]
    assert min(found.values()) > 0
