"""How ids are spread: cardinalities, rank-frequency curves, power-law fits, leakage checks."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from embedstudy.study.tables.data import CtrData

_POINTS = 60  # points a curve; evenly spaced on the log axis


def _ranks(size: int) -> np.ndarray:
    """At most ``_POINTS`` distinct ranks 1..size, evenly spaced on a log axis."""
    return np.unique(np.geomspace(1, size, min(_POINTS, size)).round().astype(np.int64))


def zipf_exponent(frequencies: Sequence[float]) -> float:
    """The exponent s of f(r) ~ r^-s, fitted by least squares in the log-log plane.

    ``frequencies``: positive, one an id, in any order. Ranks are spaced evenly on the log axis.
    Raises ``ValueError`` with fewer than two ids.
    """
    ordered = np.sort(np.asarray(frequencies, dtype=np.float64))[::-1]
    if len(ordered) < 2:
        raise ValueError(f"A slope needs at least two ids, got {len(ordered)}.")
    ranks = _ranks(len(ordered))
    slope, _ = np.polyfit(np.log(ranks), np.log(ordered[ranks - 1]), 1)
    return float(-slope)


def _field_counts(data: CtrData) -> dict[str, np.ndarray]:
    """Training frequencies > 0 of each field's ids, descending, without the out-of-vocabulary row."""
    parts = data.counts.split(list(data.field_rows))
    return {
        field: np.sort(part.numpy()[1:][part.numpy()[1:] > 0])[::-1]
        for field, part in zip(data.fields, parts, strict=True)
    }


def cardinalities(loaded: dict[str, CtrData], dim: int) -> pl.DataFrame:
    """Rows and fp32 bytes of every field: columns dataset, field, rows, bytes, share."""
    lines = [
        {"dataset": name, "field": field, "rows": rows, "bytes": rows * dim * 4}
        | {"share": rows / sum(data.field_rows)}
        for name, data in loaded.items()
        for field, rows in zip(data.fields, data.field_rows, strict=True)
    ]
    return pl.DataFrame(lines).sort(["dataset", "rows"], descending=[False, True])


def _largest_field(data: CtrData) -> str:
    return data.fields[int(np.argmax(data.field_rows))]


def rank_frequency(loaded: dict[str, CtrData]) -> pl.DataFrame:
    """The curve of each set's largest field: dataset, field, rank, frequency, fitted."""
    frames = []
    for name, data in loaded.items():
        field = _largest_field(data)
        counts = _field_counts(data)[field].astype(np.float64)
        ranks = _ranks(len(counts))
        values = counts[ranks - 1]
        slope, intercept = np.polyfit(np.log(ranks), np.log(values), 1)
        fitted = np.exp(intercept + slope * np.log(ranks))
        frame = pl.DataFrame({"rank": ranks, "frequency": values, "fitted": fitted})
        frames.append(
            frame.select(pl.lit(name).alias("dataset"), pl.lit(field).alias("field"), "*")
        )
    return pl.concat(frames)


def summary(loaded: dict[str, CtrData]) -> pl.DataFrame:
    """Skew of each set's largest field: exponent, share of events of the top 1 %, rare ids."""
    lines = []
    for name, data in loaded.items():
        field = _largest_field(data)
        counts = _field_counts(data)[field]
        top = counts[: max(1, len(counts) // 100)].sum() / counts.sum()
        rare = float((counts <= 5).mean())
        lines.append(
            {"dataset": name, "field": field, "ids": len(counts), "exponent": zipf_exponent(counts)}
            | {"top_1_percent_of_events": float(top), "ids_with_5_or_fewer": rare}
        )
    return pl.DataFrame(lines)


def leakage(loaded: dict[str, CtrData]) -> pl.DataFrame:
    """Share of test events equal to a training event, share with an unseen value, positives."""
    lines = []
    for name, data in loaded.items():
        train, test = (_distinct(split.ids.numpy()) for split in (data.train, data.test))
        repeated = np.isin(test, np.unique(train)).mean()
        lines.append(
            {
                "dataset": name,
                "test_events": len(test),
                "equal_to_a_training_event": float(repeated),
                "with_an_unseen_value": float(data.test.unseen.numpy().mean()),
                "positives_train": float(data.train.labels.numpy().mean()),
                "positives_test": float(data.test.labels.numpy().mean()),
            }
        )
    return pl.DataFrame(lines)


def _distinct(ids: np.ndarray) -> np.ndarray:
    """One opaque value an event, equal exactly when all its ids are equal."""
    contiguous = np.ascontiguousarray(ids)
    return contiguous.view(np.dtype((np.void, contiguous.itemsize * ids.shape[1]))).ravel()


def findings(cardinality: pl.DataFrame, skew: pl.DataFrame, leaks: pl.DataFrame) -> list[str]:
    """What the three tables say, one sentence each and data set."""
    sentences = []
    for name in skew["dataset"]:
        largest = cardinality.filter(pl.col("dataset") == name).row(0, named=True)
        curve = skew.filter(pl.col("dataset") == name).row(0, named=True)
        leak = leaks.filter(pl.col("dataset") == name).row(0, named=True)
        sentences += [
            f"{name}: the field '{largest['field']}' alone holds {largest['share']:.0%} of the rows "
            f"({largest['rows']:,}), so its treatment decides what the table costs.",
            f"{name}: the most frequent 1 % of the ids of '{curve['field']}' make up "
            f"{curve['top_1_percent_of_events']:.0%} of its events, and "
            f"{curve['ids_with_5_or_fewer']:.0%} of the ids occur at most five times "
            f"(exponent {curve['exponent']:.2f}).",
            f"{name}: {leak['equal_to_a_training_event']:.1%} of the test events equal a training "
            f"event in every field, {leak['with_an_unseen_value']:.1%} hold a value never seen in "
            f"training, and positives are {leak['positives_train']:.1%} of training and "
            f"{leak['positives_test']:.1%} of test events.",
        ]
    return sentences
