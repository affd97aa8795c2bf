"""Texts to vectors: each distinct text once, texts of like length together, a fixed sum of tokens.

``SentenceTransformer.encode`` sorts by characters and takes 32 texts a batch, whatever their length,
so short texts make small batches and a batch pads where characters and tokens disagree. Here texts
are tokenised once, sorted by their number of tokens, and a batch holds ``tokens`` of them, padding
counted. The vectors are the same but for the order of float32 sums.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from tqdm import tqdm

from embedstudy.core.errors import StudyError

Report = Callable[[float], None]  # takes the fraction done, in [0, 1]
TOKENS = {"cpu": 1024, "cuda": 65536}  # a batch; on a CPU larger ones fall out of its cache


def read_texts(path: Path | str) -> list[str]:
    """The lines of a UTF-8 text file that are not blank.

    Raises ``StudyError`` when the file is missing, holds no text or is not UTF-8.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise StudyError(f"There is no file {path}: name one with a text a line.") from None
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path} is not UTF-8 (byte {error.start + 1}): save it as UTF-8, a text a line."
        ) from None
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise StudyError(f"{path} holds no text: give it at least one line.")
    return lines


@torch.inference_mode()
def encode(
    encoder: SentenceTransformer,
    texts: Sequence[str],
    *,
    tokens: int | None = None,
    progress: bool | Report = False,
) -> np.ndarray:
    """The vectors of ``texts`` in their order, float32 [len(texts), dim].

    Args:
        encoder: a text encoder; one that is no transformer, or has a prompt of its own, is left to
            ``SentenceTransformer.encode``.
        texts: any strings; the encoder cuts long ones at its ``max_seq_length``.
        tokens: tokens a batch, padding counted; one text longer than that is a batch of its own.
            None takes what suits the device.
        progress: whether to show a bar, or what to tell the share of the texts that is done.
    """
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return np.zeros((0, encoder.get_embedding_dimension()), np.float32)
    if not _plain(encoder):
        rows = encoder.encode(distinct, show_progress_bar=progress is True)
        return _spread(rows, distinct, texts)
    ids = _tokenise(encoder, distinct)
    order = np.argsort([-len(one) for one in ids], kind="stable")
    encoder.eval()
    tokens = tokens or TOKENS.get(encoder.device.type, TOKENS["cpu"])
    rows, done = None, 0
    bar = tqdm(total=len(distinct), unit="texts") if progress is True else None
    with bar or nullcontext():
        for batch in _batches(ids, order, tokens):
            vectors = encoder(_features(encoder, [ids[i] for i in batch]))["sentence_embedding"]
            vectors = vectors[:, : encoder.truncate_dim]
            if rows is None:
                rows = np.empty((len(distinct), vectors.shape[1]), np.float32)
            rows[batch] = vectors.float().cpu().numpy()
            done += len(batch)
            if bar:
                bar.update(len(batch))
            elif progress:
                progress(done / len(distinct))
    return _spread(rows, distinct, texts)


def token_counts(encoder: SentenceTransformer, texts: Sequence[str]) -> np.ndarray:
    """Tokens of each text, special ones counted, after the encoder's cut."""
    return np.array([len(one) for one in _tokenise(encoder, list(texts))], np.int64)


def _plain(encoder: SentenceTransformer) -> bool:
    """Whether token ids alone make the input of the encoder."""
    return isinstance(encoder[0], Transformer) and encoder.default_prompt_name is None


def _spread(rows: np.ndarray, distinct: list[str], texts: Sequence[str]) -> np.ndarray:
    """``rows``, one a distinct text, in the order of ``texts``."""
    position = {text: row for row, text in enumerate(distinct)}
    return rows[[position[text] for text in texts]]


def _tokenise(encoder: SentenceTransformer, texts: list[str]) -> list[list[int]]:
    return encoder.tokenizer(
        texts,
        truncation=True,
        max_length=encoder.max_seq_length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]


def _batches(ids: list[list[int]], order: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Runs of ``order`` (longest first) whose padded size is within ``tokens``."""
    start = 0
    while start < len(order):
        size = max(1, tokens // len(ids[order[start]]))
        yield order[start : start + size]
        start += size


def _features(encoder: SentenceTransformer, ids: list[list[int]]) -> dict[str, torch.Tensor]:
    """Padded ids and what goes with them, as the encoder's first module takes them."""
    padded = np.full((len(ids), len(ids[0])), encoder.tokenizer.pad_token_id, np.int64)
    mask = np.zeros_like(padded)
    for row, one in enumerate(ids):
        padded[row, : len(one)] = one
        mask[row, : len(one)] = 1
    features = {"input_ids": padded, "attention_mask": mask}
    if "token_type_ids" in encoder.tokenizer.model_input_names:
        features["token_type_ids"] = np.zeros_like(padded)
    return {name: torch.from_numpy(values).to(encoder.device) for name, values in features.items()}
