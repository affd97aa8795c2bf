"""What was measured about encoders and codes on this machine, for the foot of their pages."""

from collections.abc import Iterator

import polars as pl

from embedstudy.core import paths
from embedstudy.core.catalogue import Chapter

# Prefix of the columns of a chapter's times, one a task -> heading of their mean, digits.
_CODES = {
    "fit_seconds": ("fitting, s", 2),
    "encode_us_a_vector": ("encoding a vector, µs", 1),
    "search_us_a_query": ("exact search of a query, µs", 0),
}
_ENCODER = {
    "ms_depth": "a text of 32 tokens, {} layers: ms",
    "ms_length": "a text of {} tokens, all layers: ms",
    "texts_a_second": "texts a second, encoded by the {}",
}


def codec_costs(rows: pl.DataFrame, times: pl.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and lines: what every codec and size costs, a mean over tasks and seeds."""
    joined = rows.join(times, on="key", how="inner", maintain_order="left")
    joined = joined.filter(pl.col("status") == "ok")
    means = joined.group_by("label", "code_bytes", maintain_order=True).agg(
        pl.mean_horizontal(pl.col(f"^{prefix}\\..*$")).mean().alias(prefix) for prefix in _CODES
    )
    lines = [
        [line["label"], f"{line['code_bytes']:,}"]
        + [f"{line[name]:,.{digits}f}" for name, (_, digits) in _CODES.items()]
        for line in means.sort("code_bytes", descending=True, maintain_order=True).to_dicts()
    ]
    return ["method", "bytes a code", *(heading for heading, _ in _CODES.values())], lines


def encoder_costs(times: pl.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and lines: where an encoder's milliseconds are."""
    return ["what", "median"], [[what, f"{value:,.1f}"] for what, value in _encoder_lines(times)]


def _encoder_lines(times: pl.DataFrame) -> Iterator[tuple[str, float]]:
    for prefix, words in _ENCODER.items():
        for name in times.columns:
            measured = times[name].drop_nulls()
            if name.startswith(f"{prefix}.") and len(measured):
                yield words.format(name.partition(".")[2]), measured[0]


def table(chapter: Chapter) -> tuple[list[str], list[list[str]]] | None:
    """Headings and lines for a chapter's page; None where nothing of the kind was measured."""
    times = paths.REPORTS / chapter.key / "times.parquet"
    rows = paths.RESULTS / chapter.key / "rows.parquet"
    if not (times.is_file() and rows.is_file()):
        return None
    measured = pl.read_parquet(times)
    if any(name.startswith("fit_seconds.") for name in measured.columns):
        return codec_costs(pl.read_parquet(rows), measured)
    if any(name.startswith("ms_depth.") for name in measured.columns):
        return encoder_costs(measured)
    return None
