"""Which fields and frequencies kept how many dimensions, read from the served files."""

import polars as pl

from embedstudy.core import paths
from embedstudy.study.tables.data import CtrData, load_ctr
from embedstudy.tables.core import artefact


def allocations(chapter: str, rows: pl.DataFrame, dataset: str, budget: float) -> pl.DataFrame:
    """One line a method, field and block of ids, for the first seed of a data set and budget.

    ``chapter``: its key in the catalogue; ``rows``: its rows. Columns: label, field (name), start and end (of the block, as a share
    of the field's ids by descending frequency), dims (mean number of dimensions an id kept).
    Methods whose served class does not tell are left out.
    """
    cell = (pl.col("dataset") == dataset) & (pl.col("budget") == budget)
    chosen = rows.filter(cell & (pl.col("status") == "ok"))
    chosen = chosen.filter(pl.col("seed") == pl.col("seed").min())
    lines = []
    for row in chosen.to_dicts():
        path = paths.results_of(chapter) / "artefacts" / f"{row['key']}.safetensors"
        served = artefact.load(path)
        if hasattr(served, "allocation"):
            data = load_ctr(row["dataset"])
            lines += [_line(row["label"], data, block) for block in served.allocation()]
    schema = {"label": pl.String, "field": pl.String}
    schema |= dict.fromkeys(("start", "end", "dims"), pl.Float64)
    return pl.DataFrame(lines, schema)


def _line(label: str, data: CtrData, block: dict) -> dict:
    size = data.field_rows[block["field"]]
    kept = block.get("kept", block["rows"]) / block["rows"]
    return {
        "label": label,
        "field": data.fields[block["field"]],
        "start": block["first"] / size,
        "end": (block["first"] + block["rows"]) / size,
        "dims": block["dims"] * kept,
    }
