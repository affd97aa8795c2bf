"""What the chapters on tables show: data sets, and worked examples of tables with few rows."""

from dataclasses import replace

import polars as pl
import torch

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator
from embedstudy.sources import official
from embedstudy.study.tables.data import CtrData, is_prepared
from embedstudy.study.tables.settings import TableSettings
from embedstudy.tables.core.base import Table, TableSpec


def prepared(settings: TableSettings) -> TableSettings:
    """The settings without official data sets that are not prepared; says in one line which.

    Raises ``StudyError`` for a name that no data set bears, for a set of the study's own that is not
    prepared, and where no set is left: none of these may end in a smaller study.
    """
    for name in settings.datasets:
        official.check_clicks(name)
    missing = [name for name in settings.datasets if not is_prepared(name)]
    for name in missing:
        if name in official.BUNDLED:
            raise StudyError(f"Data set '{name}' is not prepared: run `dvc repro`.")
        print(
            f"Left out: '{name}' is not prepared. It needs its official files: "
            f"`python -m embedstudy.sources.official {name} --from DIR` says where they are had."
        )
    left = [name for name in settings.datasets if name not in missing]
    if not left:
        raise StudyError(f"No data set of datasets is prepared ({', '.join(missing)}): add one.")
    return replace(settings, datasets=left)


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
