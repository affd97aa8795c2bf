"""An encoder whose word table is a compressed one, in a form that SentenceTransformer saves and loads."""

import copy
from pathlib import Path
from typing import Self

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from torch import nn

from embedstudy.core.errors import StudyError
from embedstudy.encoders.core.pretrained import check_folder, check_tokenizer, unreadable
from embedstudy.tables.core import artefact
from embedstudy.tables.core.base import Table

FILE = "word_table.safetensors"


class WordTableTransformer(Transformer):
    """A transformer module with a ``Table`` where its ``nn.Embedding`` of word pieces stood.

    Saved, the table is a file of its own, ``word_table.safetensors``, in the form in which tables are
    served; the checkpoint beside it keeps a word table of a single row, so that nothing is stored
    twice. ``SentenceTransformer(path, trust_remote_code=True)`` loads it: since version 6.0 the library
    imports no module class from outside its own package without being told to, also from an installed
    one.
    """

    @property
    def words(self) -> Table:
        """The compressed table: word-piece ids [...] -> vectors [..., dim]."""
        return self.auto_model.embeddings.word_embeddings

    def put_words(self, table: nn.Module) -> None:
        """Put another table, ids [...] -> vectors [..., dim], in its place."""
        self.auto_model.embeddings.word_embeddings = table

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        """Write the checkpoint without its word table, and the table beside it.

        Args:
            output_path: a folder; the table becomes its ``word_table.safetensors``.
            safe_serialization: as for the library's module, as are all further arguments.
        """
        table, config = self.words, self.auto_model.config
        pieces = config.vocab_size
        try:
            self.put_words(nn.Embedding(1, table.dim))
            config.vocab_size = 1
            super().save(output_path, *args, safe_serialization=safe_serialization, **kwargs)
        finally:
            self.put_words(table)
            config.vocab_size = pieces
        artefact.save(table.compact(), Path(output_path) / FILE)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs) -> Self:
        """The module in a folder that ``save`` wrote.

        Args:
            model_name_or_path: the encoder's folder.
            subfolder: the module's folder in it; the first module's is the folder itself.
            kwargs: as for the library's module.
        """
        module = super().load(model_name_or_path, subfolder=subfolder, **kwargs)
        table = artefact.load(Path(model_name_or_path) / subfolder / FILE)
        module.put_words(table.to(module.auto_model.device))
        module.auto_model.config.vocab_size = sum(table.field_rows)
        return module


def load_compressed(path: Path | str) -> SentenceTransformer:
    """The encoder in a folder, compressed or plain, in float32, for evaluation.

    Runs no code from the folder: the library is handed ``WordTableTransformer`` instead of being told
    to trust what the folder names, and refuses every other class that is not its own. Raises
    ``StudyError`` for a folder that it does not load.
    """
    check_folder(Path(path))
    ours = f"{WordTableTransformer.__module__}.{WordTableTransformer.__qualname__}"
    try:
        encoder = SentenceTransformer._load_with_module_classes(
            str(path),
            {ours: WordTableTransformer},
            device="cpu",
            local_files_only=True,
            model_kwargs={"dtype": torch.float32},
        )
    except StudyError:
        raise
    except Exception as error:  # libraries raise whatever a damaged file makes them raise
        raise unreadable(Path(path), error) from error
    check_tokenizer(encoder, Path(path))
    return encoder.eval()


def word_table(encoder: SentenceTransformer) -> nn.Embedding:
    """The trained word table of a BERT-like encoder; raises ``StudyError`` if it has none."""
    embeddings = getattr(getattr(encoder[0], "auto_model", None), "embeddings", None)
    table = getattr(embeddings, "word_embeddings", None)
    if not isinstance(table, nn.Embedding):
        raise StudyError(
            "The first module of this encoder has no word table that could be replaced: use a "
            "BERT-like encoder as it was trained."
        )
    return table


def pieces(encoder: SentenceTransformer) -> int:
    """The number of word pieces that an encoder has vectors for, its word table compressed or not."""
    module = encoder[0]
    if isinstance(module, WordTableTransformer):
        return sum(module.words.field_rows)
    return word_table(encoder).num_embeddings


def replace_word_table(encoder: SentenceTransformer, table: Table) -> SentenceTransformer:
    """A copy of ``encoder`` that takes its word vectors from ``table``; all else is the same.

    Args:
        encoder: a BERT-like encoder with its trained word table; it is not changed.
        table: a row for every word piece, of the encoder's width; else ``StudyError`` is raised.
    """
    trained = word_table(encoder)
    shape = (sum(table.field_rows), table.dim)
    if shape != tuple(trained.weight.shape):
        raise StudyError(
            f"The table is {shape[0]} x {shape[1]}, the encoder's word table "
            f"{trained.num_embeddings} x {trained.embedding_dim}: give it the same shape."
        )
    smaller = copy.deepcopy(encoder)
    # The same attributes; only saving and loading differ.
    smaller[0].__class__ = WordTableTransformer
    smaller[0].put_words(table.to(encoder.device))
    return smaller
