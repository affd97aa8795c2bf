"""The word table of an encoder: replaced by the tables' own compressors, trimmed, recovered."""

import contextlib
import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from tiny_encoder import write_encoder

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.encoders import word_table
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.core.pretrained import load_encoder
from embedstudy.encoders.word_table import module
from embedstudy.encoders.word_table.fitting import make_trainable
from embedstudy.encoders.word_table.module import FILE, load_compressed, pieces
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.fewer_bits import methods as fewer_bits
from embedstudy.tables.generated_rows import methods as generated_rows
from embedstudy.tables.sharing_rows import methods as sharing_rows
from embedstudy.tables.sharing_rows.kmeans_rows import KMeansRows

TEXTS = ["the cat sat on the mat", "the dog sat", "flow of heat on a plate", "a wing"]
METHODS = sharing_rows.METHODS | generated_rows.METHODS | fewer_bits.METHODS


@pytest.fixture
def counts(encoder):
    return word_table.piece_counts(encoder, TEXTS)


@pytest.fixture
def weight(encoder):
    return encoder[0].auto_model.embeddings.word_embeddings.weight.detach()


def compressed(encoder, counts, weight, method="svd", share=0.5, **options):
    spec = word_table.table_spec(encoder, counts)
    table = METHODS[method].compress(weight, spec, int(share * spec.full_bytes), 0, **options)
    return word_table.replace_word_table(encoder, table)


def test_pieces_are_counted_without_special_tokens(encoder, counts):
    vocabulary = encoder.tokenizer.get_vocab()
    assert counts[vocabulary["the"]] == 3
    assert counts[vocabulary["sat"]] == 2
    assert counts[vocabulary["[CLS]"]] == 0
    assert len(counts) == len(vocabulary) == pieces(encoder)


def test_a_table_that_loses_nothing_changes_no_vector(encoder, counts, weight):
    same = compressed(encoder, counts, weight, "svd", share=3.0)
    assert encode(same, TEXTS) == pytest.approx(encode(encoder, TEXTS), abs=1e-5)
    assert isinstance(encoder[0].auto_model.embeddings.word_embeddings, torch.nn.Embedding)


def test_the_encoder_reads_the_compressed_rows(encoder, counts, weight):
    changed = compressed(encoder, counts, weight, "rowwise", bits=4)
    rows = changed[0].words(torch.arange(len(weight)))
    assert not torch.equal(rows, weight)
    by_hand = load_encoder_with(encoder, rows)
    assert encode(changed, TEXTS) == pytest.approx(encode(by_hand, TEXTS), abs=1e-6)


def load_encoder_with(encoder, rows):
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        other[0].auto_model.embeddings.word_embeddings.weight.copy_(rows)
    return other


@pytest.mark.parametrize(
    ("method", "options"), [("rowwise", {"bits": 8}), ("svd", {"weighted": True})]
)
def test_saved_and_loaded_it_gives_the_same_vectors(
    encoder, counts, weight, tmp_path, method, options
):
    changed = compressed(encoder, counts, weight, method, **options)
    changed.save(str(tmp_path / "made"))
    loaded = load_compressed(tmp_path / "made")
    assert encode(loaded, TEXTS) == pytest.approx(encode(changed, TEXTS), abs=1e-7)
    assert encode(changed, TEXTS).shape == (4, 32), "saving leaves the encoder as it was"
    assert loaded[0].auto_model.config.vocab_size == len(weight)
    assert (tmp_path / "made" / FILE).stat().st_size == changed[0].words.compact().bytes()


def test_three_lines_load_it_in_a_fresh_process(encoder, counts, weight, tmp_path):
    changed = compressed(encoder, counts, weight, "rowwise")
    changed.save(str(tmp_path / "made"))
    script = (
        "import sys; from sentence_transformers import SentenceTransformer\n"
        "encoder = SentenceTransformer(sys.argv[1], trust_remote_code=True)\n"
        "print(encoder.encode(['the cat sat'])[0].tolist())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    vector = np.array(json.loads(done.stdout.strip().splitlines()[-1]))
    assert vector == pytest.approx(encode(changed, ["the cat sat"])[0], abs=1e-6)


def test_files_are_smaller_by_what_the_table_lost(encoder, counts, weight, tmp_path):
    def size(folder):
        return sum(p.stat().st_size for p in folder.rglob("*.safetensors"))

    encoder.save(str(tmp_path / "full"))
    compressed(encoder, counts, weight, "rowwise", bits=8).save(str(tmp_path / "small"))
    saved = size(tmp_path / "full") - size(tmp_path / "small")
    assert saved > 0.5 * weight.numel() * 4


def test_regression_draws_a_table_towards_the_rows(encoder, counts, weight):
    spec = word_table.table_spec(encoder, counts)
    table = METHODS["hash"].build(spec, spec.full_bytes // 2, 0, floor=2)
    losses = word_table.fit_rows(table, weight, counts, steps=100, batch=2048, lr=0.01, seed=0)
    assert losses[-1] < 0.7 * losses[0]


def test_recovery_trains_the_table_alone_and_closes_in_on_the_teacher(encoder, counts, weight):
    changed = compressed(encoder, counts, weight, "svd", share=0.2)
    before = {n: p.clone() for n, p in changed.named_parameters()}
    teacher = encode(encoder, TEXTS)
    losses = word_table.recover(changed, TEXTS, teacher, steps=40, batch=4, lr=0.01, seed=0)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    for name, parameter in changed.named_parameters():
        if name in before:
            assert torch.equal(parameter, before[name]), name
    again = 1 - (encode(changed, TEXTS) * teacher).sum(1).mean()
    assert again < losses[0]


def test_codes_do_not_train_but_centroids_do(encoder, counts, weight):
    assert make_trainable(compressed(encoder, counts, weight, "rowwise")[0].words) == []
    table = METHODS["pq"]([70], 8, parts=2, bits=2, rotate=False)
    names = {name for name, _ in table.named_parameters()}
    make_trainable(table)
    assert {name for name, _ in table.named_parameters()} - names == {"centroids"}
    assert set(table.compact().tensors) == {"codes", "centroids"}


def test_kmeans_rows_point_to_the_nearest_of_few():
    weight = torch.tensor([[0.0, 0.0], [0.2, 0.0], [5.0, 5.0], [5.2, 5.0], [0.1, 0.0]])
    spec = TableSpec((5,), 2, torch.tensor([0, 0, 0, 0, 0]))
    table = KMeansRows([5], 2, kept=2)
    table.approximate(weight, spec, torch.Generator().manual_seed(0))
    assert table.map[0] == table.map[1] == table.map[4] != table.map[2]
    found = table(torch.arange(5))
    assert found[0].tolist() == pytest.approx([0.1, 0.0])
    assert found[3].tolist() == pytest.approx([5.1, 5.0])


# -- trimming ---------------------------------------------------------------------------------------
def test_trimming_by_hand(encoder, counts, tmp_path):
    vocabulary = encoder.tokenizer.get_vocab()
    keep = word_table.kept_pieces(encoder, counts, 0.95)
    kept = {piece for piece, i in vocabulary.items() if i in set(keep)}
    words = {"the", "sat", "cat", "dog", "on", "mat", "wing", "flow", "of", "heat", "plate"}
    dropped = words - kept
    assert {"the", "sat"} <= kept, "the most frequent stay"
    assert len(keep) == round(0.95 * len(vocabulary))
    assert {piece for piece in vocabulary if len(piece.removeprefix("##")) == 1} <= kept
    small = word_table.trim(encoder, keep, tmp_path / "small")
    for word in dropped:
        spelled = small.tokenizer.tokenize(word)
        assert spelled == [word[0], *("##" + letter for letter in word[1:])]
    assert small.tokenizer.tokenize("the sat") == ["the", "sat"]


def test_texts_of_kept_pieces_keep_their_vectors(encoder, counts, tmp_path):
    keep = word_table.kept_pieces(encoder, counts, 0.95)
    small = word_table.trim(encoder, keep, tmp_path / "small")
    plain = SentenceTransformer(str(tmp_path / "small"), device="cpu")  # no code of ours
    asked = ["the sat", "the the"]
    assert encode(plain.eval(), asked) == pytest.approx(encode(encoder, asked), abs=1e-6)
    assert pieces(small) == len(keep)
    assert small.tokenizer.pad_token_id == keep.index(encoder.tokenizer.pad_token_id)


@pytest.fixture
def longer(tmp_path):
    """An encoder with a long continuation and two places that never got a word."""
    folder = write_encoder(tmp_path / "longer", extra=("##ing", "[unused0]", "[unused1]"))
    return load_encoder(folder)


def test_a_dropped_word_is_spelled_by_the_longest_pieces_left(longer, tmp_path):
    vocabulary = longer.tokenizer.get_vocab()
    counts = torch.ones(len(vocabulary), dtype=torch.int64)
    counts[vocabulary["wing"]] = 0
    small = word_table.trim(
        longer, word_table.kept_pieces(longer, counts, 1 - 3 / len(vocabulary)), tmp_path / "small"
    )
    assert small.tokenizer.tokenize("the wing") == ["the", "w", "##ing"]
    kept = module.word_table(small).weight
    for piece, i in small.tokenizer.get_vocab().items():
        assert torch.equal(kept[i], module.word_table(longer).weight[vocabulary[piece]])


def test_places_without_a_word_go_first(longer):
    vocabulary = longer.tokenizer.get_vocab()
    counts = torch.zeros(len(vocabulary), dtype=torch.int64)
    keep = word_table.kept_pieces(longer, counts, 1 - 2 / len(vocabulary))
    dropped = {piece for piece, i in vocabulary.items() if i not in keep}
    assert dropped == {"[unused0]", "[unused1]"}


def test_what_the_domain_leaves_open_is_filled_in_the_order_of_the_vocabulary(longer):
    vocabulary = longer.tokenizer.get_vocab()
    counts = torch.zeros(len(vocabulary), dtype=torch.int64)
    counts[vocabulary["##ing"]] = 1  # the last of the vocabulary
    words = ["the", "cat", "dog", "sat", "on", "mat", "wing", "flow", "of", "heat", "plate"]
    keep = word_table.kept_pieces(longer, counts, 1 - 6 / len(vocabulary))
    kept = [word for word in words if vocabulary[word] in keep]
    assert vocabulary["##ing"] in keep
    assert kept == words[:-4]
    assert kept == sorted(kept, key=vocabulary.get)


def test_mistakes_are_one_sentence(encoder, counts, weight, tmp_path):
    with pytest.raises(InfeasibleBudget, match="single-character pieces must stay"):
        word_table.kept_pieces(encoder, counts, 0.1)
    with pytest.raises(StudyError, match=r"share of pieces to keep is 2: it must be in \(0, 1\]"):
        word_table.kept_pieces(encoder, counts, 2)
    with pytest.raises(StudyError, match="no text to count"):
        word_table.piece_counts(encoder, [])
    with pytest.raises(StudyError, match="The table is 5 x 2, the encoder's word table"):
        word_table.replace_word_table(encoder, KMeansRows([5], 2, kept=2))
    with pytest.raises(StudyError, match="Only an encoder with a compressed word table"):
        word_table.recover(encoder, TEXTS, np.zeros((4, 32)), steps=1, batch=1, lr=0.1, seed=0)
    with pytest.raises(InfeasibleBudget, match="svd needs at least"):
        compressed(encoder, counts, weight, "svd", share=0.001)
    with pytest.raises(StudyError, match="no folder"):
        load_encoder(tmp_path / "nowhere")


def edit(folder, name, **changes):
    """A JSON file of an encoder with other values, its keys spelled so that no search finds them."""
    path = folder / name
    content = (json.loads(path.read_text()) if path.is_file() else {}) | changes
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content).replace("auto_map", "auto\\u005fmap"))


def name_module(folder, place, kind, path="9_Evil"):
    listed = json.loads((folder / "modules.json").read_text())
    listed[place : place + 1] = [{"idx": place, "name": str(place), "path": path, "type": kind}]
    (folder / "modules.json").write_text(json.dumps(listed))


def module_of_the_folder(folder):
    name_module(folder, 1, "evil.Evil")


def auto_map(folder):
    edit(folder, "config.json", auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"})


def auto_map_of_the_tokenizer(folder):
    named = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    edit(folder, "tokenizer_config.json", auto_map=named, tokenizer_class="Evil")


def activation(folder):
    name_module(folder, 3, "sentence_transformers.base.modules.dense.Dense")
    sizes = {"in_features": 32, "out_features": 32, "bias": False}
    edit(folder, "9_Evil/config.json", **sizes, activation_function="evil.Evil")
    save_file({"linear.weight": torch.eye(32)}, folder / "9_Evil" / "model.safetensors")


def route(folder):
    name_module(folder, 1, "sentence_transformers.base.modules.router.Router", "")
    ways = {"structure": {"query": ["0_x"]}, "parameters": {"default_route": "query"}}
    edit(folder, "router_config.json", types={"0_x": "evil.Evil"}, **ways)


@pytest.mark.parametrize(
    "spoil", [module_of_the_folder, auto_map, auto_map_of_the_tokenizer, activation, route]
)
def test_code_in_a_folder_is_never_run(encoder, counts, weight, tmp_path, monkeypatch, spoil):
    folder = tmp_path / "smaller"
    compressed(encoder, counts, weight, "rowwise").save(str(folder))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(folder)  # as in a shell that stands in the folder
    spoil(folder)
    with contextlib.suppress(StudyError):  # what would run is refused, or left out with a warning
        load_compressed(folder)
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_encoder_is_one_sentence(encoder, counts, weight, tmp_path):
    with pytest.raises(StudyError, match="is no encoder, it has no modules.json"):
        load_compressed(tmp_path)
    folder = tmp_path / "smaller"
    compressed(encoder, counts, weight, "rowwise").save(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(StudyError, match="holds no tokenizer, so every word would be unknown"):
        load_compressed(folder)
