"""Which word pieces masked auto-encoding hides, from its encoder and from its decoder."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

_MASKED, _EXCHANGED = 0.8, 0.1  # shares of the hidden pieces; what is left stays, but is asked for


def word_masks(
    ids: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    shares: tuple[float, float],
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Two masks of whole words, the smaller one within the larger: bool [texts, pieces] each.

    The words of a text (a piece with the ``##`` pieces that continue it) come in random order, and each
    is taken that still fits: into the larger mask, and into the smaller one too while that has room.
    A text's room is ``share`` of its pieces, special ones counted, rounded, at least one.

    Source: ``MaeDataCollatorForWholeWordMask`` of ielab/Starbucks, and RetroMAE before it.

    Args:
        ids: word pieces of the padded texts, int64 [texts, pieces].
        tokenizer: of the WordPiece kind.
        shares: of the smaller mask and of the larger.
        rng: draws the order of the words.
    """
    masks = torch.zeros(2, *ids.shape, dtype=torch.bool)
    special = set(tokenizer.all_special_tokens)
    for row, text in enumerate(ids.tolist()):
        words = _words(tokenizer.convert_ids_to_tokens(text), special)
        length = sum(i != tokenizer.pad_token_id for i in text)
        rooms = [max(1, round(share * length)) for share in shares]
        for number in torch.randperm(len(words), generator=rng).tolist():
            word = words[number]
            if len(word) > rooms[1]:
                continue
            for kind in (0, 1):
                if len(word) <= rooms[kind]:
                    masks[kind, row, word] = True
                    rooms[kind] -= len(word)
    return masks[0].to(ids.device), masks[1].to(ids.device)


def _words(pieces: list[str], special: set[str]) -> list[list[int]]:
    """The places of each word's pieces."""
    words: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece in special:
            continue
        if words and piece.startswith("##"):
            words[-1].append(place)
        else:
            words.append([place])
    return words


def hide(
    ids: Tensor, mask: Tensor, tokenizer: PreTrainedTokenizerBase, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The ids with those under the mask hidden, and what to predict: the ids there, -100 elsewhere.

    Of the pieces under the mask 80 % become [MASK], 10 % any piece, and 10 % stay as they are (BERT,
    Devlin et al., NAACL 2019).
    """
    chance = torch.rand(ids.shape, generator=rng).to(ids.device)
    others = torch.randint(len(tokenizer), ids.shape, generator=rng).to(ids.device)
    shown = ids.masked_fill(mask & (chance < _MASKED), tokenizer.mask_token_id)
    exchanged = mask & (chance >= _MASKED) & (chance < _MASKED + _EXCHANGED)
    return torch.where(exchanged, others, shown), ids.masked_fill(~mask, -100)
