"""What every chapter's notebook needs to show its work: set-up, settings, source code, sentences."""

import atexit
import contextlib
import functools
import inspect
import re
import sys
import textwrap
from pathlib import Path

import polars as pl
from IPython.display import Code, Markdown

from embedstudy import figures
from embedstudy.core import schema
from embedstudy.core import scratch as temporary
from embedstudy.core.schema import Settings

# What Markdown, a formula or HTML gives a meaning, and what begins a heading or an inner list.
_MARKS = re.compile(r"[\\`*_\[\]<>$&~|]|^[#+=-]")


def setup() -> None:
    """Charts in the project's theme, tables with all their rows, one thread as in the pipeline."""
    figures.enable()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    pl.Config.set_tbl_rows(100).set_tbl_cols(20).set_float_precision(4).set_fmt_str_lengths(80)
    pl.Config.set_tbl_hide_dataframe_shape(True).set_tbl_hide_column_data_types(True)


def settings(cls: type[Settings], parameters: dict) -> Settings:
    """The chapter's settings: those that ``parameters`` name, the class's own defaults besides.

    Raises ``StudyError`` for a name or value that the class refuses.
    """
    return schema.read(cls, parameters, "parameters: ")


def source(thing: object) -> Code:
    """The source of a function or class of the library, as it runs."""
    return Code(textwrap.dedent(inspect.getsource(thing)), language="python")


def sentences(said: list[str]) -> Markdown:
    """Computed sentences as a list.

    They hold labels, claims and errors, which are text and no Markdown: every mark is shown as it is.
    """
    lines = (_MARKS.sub(_entity, " ".join(sentence.split())) for sentence in said)
    return Markdown("\n".join(f"- {line}" for line in lines))


def _entity(mark: re.Match) -> str:
    """An entity is never a mark; a backslash before one would be, of a formula."""
    return f"&#{ord(mark[0])};"


def quiet(fraction: float, words: str) -> None:
    """A progress callback that shows nothing."""


@functools.cache
def scratch() -> Path:
    """A temporary folder that lives as long as the notebook's kernel."""
    held = contextlib.ExitStack()
    atexit.register(held.close)
    return held.enter_context(temporary.folder())
