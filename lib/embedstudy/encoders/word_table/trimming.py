"""A vocabulary cut to a domain: fewer word pieces, the same spelling power, a plain encoder.

Keeping the pieces that a domain uses is the table compressor without a decoder: the trimmed encoder
needs no code of ours. Dropped pieces are spelled by shorter ones, so texts grow longer; single
characters always stay, so whatever could be spelled before still can.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch import Tensor

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.encoders.core.pretrained import load_encoder
from embedstudy.encoders.word_table.module import word_table

_WORDS = "embeddings.word_embeddings.weight"


def kept_pieces(encoder: SentenceTransformer, counts: Tensor, share: float) -> list[int]:
    """Ids, rising, of the word pieces to keep: the most frequent ones.

    Special tokens and pieces of a single character, with and without the mark ##, are kept whatever
    their frequency; places of a vocabulary that were never given a word (``[unused7]``), which no text
    can yield, go first. Of equally frequent pieces, most of all those that the domain never uses, the
    one with the lower id stays: BERT's vocabulary lists its words from the most frequent to the rarest
    of the corpus it was made from, so what the domain leaves open is filled by general frequency. (Of
    the pieces that 4,000 texts of docs and reviews never use, those that STS-B does have the lower id in
    75 % of comparisons with those that it does not; the shorter spelling tells nothing.)

    Args:
        encoder: with its trained word table.
        counts: of each piece in the domain, int64 [pieces].
        share: of the pieces, in (0, 1]. Raises ``InfeasibleBudget`` when what must stay is more.
    """
    if not 0 < share <= 1:
        raise StudyError(f"The share of pieces to keep is {share}: it must be in (0, 1].")
    tokenizer, total = encoder.tokenizer, word_table(encoder).num_embeddings
    special = set(tokenizer.all_special_ids)
    vocabulary = tokenizer.get_vocab()
    short = {i for piece, i in vocabulary.items() if len(piece.removeprefix("##")) == 1}
    empty = {i for piece, i in vocabulary.items() if piece.startswith("[unused")}
    always, room = special | short, round(share * total)
    if len(always) > room:
        raise InfeasibleBudget(
            f"{len(always):,} special and single-character pieces must stay, the share {share} of "
            f"{total:,} pieces is only {room:,}."
        )
    order = torch.argsort(counts, descending=True, stable=True).tolist()
    order.sort(key=lambda i: i in empty)
    others = [i for i in order if i not in always][: room - len(always)]
    return sorted(always | set(others))


def trim(encoder: SentenceTransformer, keep: list[int], folder: Path) -> SentenceTransformer:
    """Write ``encoder`` with some of its word pieces alone, and load what was written.

    Args:
        encoder: with its trained word table and a WordPiece tokenizer; any other tokenizer raises
            ``StudyError``. It is not changed.
        keep: ids of the pieces, rising, from ``kept_pieces``.
        folder: becomes that of a plain encoder: ``SentenceTransformer(folder)`` needs nothing else.
    """
    encoder.save(str(folder))
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    if described["model"].get("type") != "WordPiece":
        raise StudyError(
            f"The tokenizer is {described['model'].get('type')}: only WordPiece can be trimmed."
        )
    renumbered = {old: new for new, old in enumerate(keep)}
    _trim_tokenizer(described, renumbered)
    text = json.dumps(described, ensure_ascii=False, indent=1)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    _drop_stale(folder)
    weights = load_file(folder / "model.safetensors")
    weights[_WORDS] = weights[_WORDS][keep].contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = len(keep)
    config["pad_token_id"] = renumbered[encoder.tokenizer.pad_token_id]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return load_encoder(folder)


def _trim_tokenizer(described: dict, renumbered: dict[int, int]) -> None:
    """Give a tokenizer's description the new ids, wherever it names a piece by its old one."""
    vocabulary = described["model"]["vocab"]
    described["model"]["vocab"] = {
        piece: renumbered[i] for piece, i in vocabulary.items() if i in renumbered
    }
    for token in described.get("added_tokens", []):
        token["id"] = renumbered[token["id"]]
    processor = described.get("post_processor") or {}
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [renumbered[i] for i in token["ids"]]
    for name in ("sep", "cls"):
        if isinstance(processor.get(name), list):
            processor[name][1] = renumbered[processor[name][1]]
    padding = described.get("padding")
    if padding:
        padding["pad_id"] = renumbered[padding["pad_id"]]


def _drop_stale(folder: Path) -> None:
    """Remove what lists the old vocabulary a second time."""
    (folder / "vocab.txt").unlink(missing_ok=True)
    settings = folder / "tokenizer_config.json"
    described = json.loads(settings.read_text(encoding="utf-8"))
    described.pop("added_tokens_decoder", None)
    settings.write_text(json.dumps(described, ensure_ascii=False, indent=2), encoding="utf-8")
