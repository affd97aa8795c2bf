"""What a chapter's notebook needs to show its work: set-up, source code, tables, sentences."""

import functools
import inspect
import tempfile
import textwrap
from pathlib import Path

import polars as pl
import torch
from IPython.display import Code, Markdown

from embedstudy import figures
from embedstudy.core.seeding import generator
from embedstudy.encoders.core import tasks
from embedstudy.study.tables.data import CtrData, is_prepared
from embedstudy.tables.core.base import Table, TableSpec


def setup() -> None:
    """Charts in the project's theme, tables with all their rows, one thread as in the pipeline."""
    figures.enable()
    torch.set_num_threads(1)
    pl.Config.set_tbl_rows(100).set_tbl_cols(20).set_float_precision(4).set_fmt_str_lengths(80)
    pl.Config.set_tbl_hide_dataframe_shape(True).set_tbl_hide_column_data_types(True)


def source(thing: object) -> Code:
    """The source of a function or class of the library, as it runs."""
    return Code(textwrap.dedent(inspect.getsource(thing)), language="python")


def sentences(said: list[str]) -> Markdown:
    """Computed sentences as a list."""
    return Markdown("\n".join(f"- {sentence}" for sentence in said))


def quiet(fraction: float, words: str) -> None:
    """A progress callback that shows nothing."""


def available(datasets: list[str]) -> list[str]:
    """The data sets that are prepared; says in one line what is missing and where it is had."""
    missing = [name for name in datasets if not is_prepared(name)]
    for name in missing:
        print(
            f"Left out: '{name}' is not prepared. It needs its official files: "
            f"`python -m embedstudy.sources.official {name} --from DIR` says where they are had."
        )
    return [name for name in datasets if name not in missing]


def available_tasks(chosen: dict[str, dict]) -> dict[str, dict]:
    """Those of the tasks whose data are prepared; says in one line which are not."""
    there = tasks.available(chosen)
    if missing := [name for name in chosen if name not in there]:
        print(
            f"Left out, not prepared: {', '.join(missing)}. "
            "`python -m embedstudy.sources.official` says where their official files are had."
        )
    return {name: chosen[name] for name in there}


@functools.cache
def scratch() -> Path:
    """A temporary folder that lives as long as the notebook's kernel."""
    folder = tempfile.TemporaryDirectory()
    scratch.keep = folder
    return Path(folder.name)


def describe(loaded: dict[str, CtrData]) -> pl.DataFrame:
    """Size of each data set."""
    return pl.DataFrame(
        [
            {"dataset": name, "fields": len(data.fields), "rows": sum(data.field_rows)}
            | {split: len(getattr(data, split).labels) for split in ("train", "valid", "test")}
            | {"positives": data.train.labels.mean().item()}
            for name, data in loaded.items()
        ]
    )


def fresh(table: Table, spec: TableSpec, seed: int = 0) -> Table:
    """``table`` with its initial values drawn, for worked examples with sizes chosen by hand."""
    table.reset(spec, generator(seed, "example"))
    return table


def serving_rows(table: Table, spec: TableSpec) -> pl.DataFrame:
    """Which stored row takes part in the vector of which id: id, row, used.

    Found from gradients, so it holds for any rule: a stored row serves an id if the id's vector
    changes with it.
    """
    lines = []
    for identity in range(spec.rows):
        table.zero_grad(set_to_none=True)
        table(torch.tensor([identity])).sum().backward()
        for name, parameter in table.named_parameters():
            used = parameter.grad.reshape(len(parameter), -1).ne(0).any(1)
            lines += [
                {"id": identity, "row": f"{name.replace('.', ' ')}, row {row}", "used": value}
                for row, value in enumerate(used.tolist())
            ]
    return pl.DataFrame(lines)
