"""A tiny random encoder for all tests of a session."""

import pytest
from tiny_encoder import MAX_LENGTH, WORDS, write_encoder

__all__ = ["MAX_LENGTH", "WORDS", "write_encoder"]


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("tiny") / "made")


@pytest.fixture(scope="session")
def encoder(encoder_folder):
    from embedstudy.encoders.core.pretrained import load_encoder

    return load_encoder(encoder_folder)
