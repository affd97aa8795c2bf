"""The word table of a text encoder, made smaller: by the tables' own compressors, or by trimming."""

from embedstudy.encoders.word_table.fitting import fit_rows, piece_counts, recover, table_spec
from embedstudy.encoders.word_table.module import WordTableTransformer, replace_word_table
from embedstudy.encoders.word_table.trimming import kept_pieces, trim

__all__ = [
    "WordTableTransformer",
    "fit_rows",
    "kept_pieces",
    "piece_counts",
    "recover",
    "replace_word_table",
    "table_spec",
    "trim",
]
