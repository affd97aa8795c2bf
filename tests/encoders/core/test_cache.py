import shutil

import numpy as np
import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import cache
from embedstudy.encoders.core.encode import encode

TEXTS = ["the cat sat", "a wing", "the cat sat"]


@pytest.fixture
def by_hand(project, monkeypatch):
    """An empty project whose chapters are run by hand; the lists of texts that are encoded there."""
    encoded = []
    monkeypatch.delenv("EMBEDSTUDY_PIPELINE")
    monkeypatch.setattr(cache, "encode", lambda *a, **k: encoded.append(a[1]) or encode(*a, **k))
    return encoded


def test_vectors_are_computed_once(encoder, encoder_folder, project, tmp_path, monkeypatch):
    first = cache.vectors(encoder_folder, TEXTS, tmp_path / "vectors")
    assert np.array_equal(first, encode(encoder, TEXTS))
    monkeypatch.setattr(cache, "load_encoder", None)  # the second time nothing is loaded
    again = cache.vectors(encoder_folder, TEXTS, tmp_path / "vectors")
    assert np.array_equal(first, again)
    files = sorted(file.suffix for file in (tmp_path / "vectors").iterdir())
    assert files == [".npy", ".texts"]


def test_by_hand_only_new_texts_are_encoded(encoder, encoder_folder, by_hand):
    whole = cache.vectors(encoder_folder, TEXTS, cache.pipeline_folder())
    fewer = cache.vectors(encoder_folder, ["a wing", "a dog", "a wing"])
    assert by_hand == [TEXTS, ["a dog"]]
    assert np.array_equal(fewer, np.stack([whole[1], encode(encoder, ["a dog"])[0], whole[1]]))
    cache.vectors(encoder_folder, ["a dog", "the cat sat"])
    cache.vectors(encoder_folder, ["a dog", "the cat sat"])
    assert len(by_hand) == 2


def test_the_pipeline_never_reads_a_list_that_was_put_together(
    encoder, encoder_folder, by_hand, monkeypatch
):
    cache.vectors(encoder_folder, TEXTS, cache.pipeline_folder())
    mixed = ["the cat sat", "a plate of heat and flow"]
    cache.vectors(encoder_folder, mixed)
    monkeypatch.setenv("EMBEDSTUDY_PIPELINE", "1")
    assert cache.find(encoder_folder, mixed) is None
    pure = cache.vectors(encoder_folder, mixed)
    assert by_hand[-1] == mixed
    assert np.array_equal(pure, encode(encoder, mixed))
    assert cache.find(encoder_folder, mixed).parent == paths.RUNS.parent / "vectors"


def test_vectors_without_their_texts_are_not_reused(encoder_folder, by_hand):
    cache.vectors(encoder_folder, TEXTS, cache.pipeline_folder())
    for file in cache.pipeline_folder().glob("*.texts"):
        file.unlink()
    assert cache.find(encoder_folder, TEXTS) is None
    cache.vectors(encoder_folder, ["a wing"])
    assert by_hand == [TEXTS, ["a wing"]]


def test_no_text_no_row(encoder_folder, by_hand):
    assert cache.vectors(encoder_folder, []).shape == (0, 32)


def test_sweeping_takes_a_list_and_its_texts(encoder_folder, project, tmp_path):
    for texts in (TEXTS, ["a wing"]):
        cache.vectors(encoder_folder, texts, tmp_path / "vectors")
    cache.sweep(encoder_folder, [TEXTS], tmp_path / "vectors")
    kept = cache.find(encoder_folder, TEXTS, tmp_path / "vectors")
    assert sorted((tmp_path / "vectors").iterdir()) == [kept, kept.with_suffix(".texts")]


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


def test_no_encoder_no_vectors(project, tmp_path):
    with pytest.raises(StudyError, match="is no encoder"):
        cache.vectors(tmp_path, TEXTS, tmp_path / "vectors")
    assert not (tmp_path / "vectors").exists()
