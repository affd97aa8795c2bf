"""Hostile encoder folders, plain and with a compressed word table."""

import functools
import json
import os
import pickle
import string
import tempfile
from pathlib import Path
from unittest import mock

import torch
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast
from transformers.utils import logging

from embedstudy.checks.fuzz.judge import Case, Fault, Run, Target
from embedstudy.checks.fuzz.mutations import Draw, damaged, json_files
from embedstudy.encoders.core.pretrained import load_encoder
from embedstudy.encoders.word_table.module import load_compressed, replace_word_table
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.reference.full import Full

CONFIG = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 16, "max_position_embeddings": 16}
TEXTS = ["the cat", "a mat"]


@functools.cache
def _folder(compressed: bool) -> dict[str, bytes]:
    """The files of a random encoder of one layer, name -> bytes."""
    logging.disable_progress_bar()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "mat"]
    pieces += [*string.ascii_lowercase, *("##" + letter for letter in string.ascii_lowercase)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(pieces), **CONFIG)).save_pretrained(folder / "bert")
        BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
        modules = [
            Transformer(str(folder / "bert"), max_seq_length=8),
            Pooling(16, "mean"),
            Normalize(),
        ]
        encoder = SentenceTransformer(modules=modules, device="cpu")
        if compressed:
            counts = torch.ones(len(pieces), dtype=torch.int64)
            table = Full.build(TableSpec((len(pieces),), 16, counts), budget=10**6, seed=0)
            encoder = replace_word_table(encoder, table)
        encoder.save(str(folder / "encoder"))
        files = (path for path in (folder / "encoder").rglob("*") if path.is_file())
        found = {
            path.relative_to(folder / "encoder").as_posix(): path.read_bytes() for path in files
        }
    return {name: content for name, content in found.items() if not name.endswith(".md")}


class _Bad:
    """Unpickled, it makes a file of the given path."""

    def __reduce__(self):
        return exec, ("open(__import__('os').environ['FUZZ_MARK'], 'w').close()",)


# Code that must not run: it would leave a mark where nothing may be left.
CODE = b"import os\nopen(os.environ['FUZZ_MARK'], 'w').close()\n"
HOSTILE = {
    "modeling_bad.py": CODE,
    "pytorch_model.bin": pickle.dumps(_Bad()),
    "1_Pooling/bad.py": CODE,
    "model.safetensors.index.json": b'{"metadata": {}, "weight_map": {"x": "../../x.safetensors"}}',
}
AUTO_MAP = {"auto_map": {"AutoModel": "modeling_bad.Bad", "AutoConfig": "modeling_bad.Bad"}}


@st.composite
def cases(draw: Draw, compressed: bool) -> Case:
    """The folder with one or two files changed, away or added."""
    files = dict(_folder(compressed))
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(files)))
        if files[name] is None or draw(st.integers(0, 9)) == 0:
            files[name] = None
        elif name.endswith(".json") and draw(st.integers(0, 4)):
            files[name] = draw(json_files(json.loads(_folder(compressed).get(name, b"{}"))))
        else:
            files[name] = draw(damaged(files[name]))
    if draw(st.integers(0, 3)) == 0:
        files |= {name: HOSTILE[name] for name in draw(st.sets(st.sampled_from(sorted(HOSTILE))))}
        config = json.loads(_folder(compressed)["config.json"]) | AUTO_MAP
        if draw(st.booleans()):
            files["config.json"] = json.dumps(config).encode()
    return Case(files)


def _run(load) -> Run:
    """What loads must encode; code of the folder must not have run."""

    def run(case: Case, given: Path, out: Path) -> set[str]:
        logging.set_verbosity_error()
        with mock.patch.dict(os.environ, FUZZ_MARK=str(out / "code ran")):
            encoder = load(given)
            vectors = encoder.encode(TEXTS, show_progress_bar=False)
        if vectors.ndim != 2 or len(vectors) != len(TEXTS) or vectors.dtype != "float32":
            raise Fault(f"It encoded two texts as {vectors.dtype} {vectors.shape}.")
        return set()

    return run


TARGETS = (
    Target("encoder", lambda: Case(_folder(False)), lambda: cases(False), _run(load_encoder), 15),
    Target(
        "encoder, compressed",
        lambda: Case(_folder(True)),
        lambda: cases(True),
        _run(load_compressed),
        15,
    ),
)
