import shutil

import numpy as np
import pytest

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import cache
from embedstudy.encoders.core.encode import encode

TEXTS = ["the cat sat", "a wing", "the cat sat"]


def test_vectors_are_computed_once(encoder, encoder_folder, tmp_path, monkeypatch):
    first = cache.vectors(encoder_folder, TEXTS, tmp_path / "vectors")
    assert np.array_equal(first, encode(encoder, TEXTS))
    monkeypatch.setattr(cache, "load_encoder", None)  # the second time nothing is loaded
    again = cache.vectors(encoder_folder, TEXTS, tmp_path / "vectors")
    assert np.array_equal(first, again)
    assert [file.suffix for file in (tmp_path / "vectors").iterdir()] == [".npy"]


def test_other_texts_and_other_checkpoints_have_other_names(encoder_folder, tmp_path):
    assert cache.texts_hash(["a", "b"]) != cache.texts_hash(["b", "a"])
    assert cache.texts_hash(["a b"]) != cache.texts_hash(["a", "b"])
    copy = tmp_path / "copy"
    shutil.copytree(encoder_folder, copy)
    (copy / "README.md").write_text("another card")
    assert cache.checkpoint_hash(copy) == cache.checkpoint_hash(encoder_folder)
    config = copy / "1_Pooling" / "config.json"
    config.write_text(config.read_text().replace("mean", "max"))
    assert cache.checkpoint_hash(copy) != cache.checkpoint_hash(encoder_folder)


def test_no_encoder_no_vectors(tmp_path):
    with pytest.raises(StudyError, match="is no encoder"):
        cache.vectors(tmp_path, TEXTS, tmp_path / "vectors")
    assert not (tmp_path / "vectors").exists()
