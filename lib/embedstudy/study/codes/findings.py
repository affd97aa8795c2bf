"""The questions of chapter 30, answered from rows.

What the int8 loss is, which codec wins at one size, whose vectors to fit on, what rescoring changes, and
which statistic that needs no label predicts quality.
"""

from itertools import combinations

import numpy as np
import polars as pl
from scipy.stats import kendalltau, spearmanr

from embedstudy.measure.significance import holm
from embedstudy.measure.units import POINTS
from embedstudy.study.codes.types import OWN
from embedstudy.study.evidence.text_evidence import TextEvidence

STATISTICS = ("rankme", "participation", "cosine", "agreement")
_SAME = ["dataset", "label"]
_FEW = 39  # training vectors a centroid, below which faiss warns
_BOTH = {"dataset": str, "label": str}  # columns of ``own_corpus``
_BOTH |= dict.fromkeys(("foreign", "own", "delta", "low", "high", "p"), float)


def against(evidence: TextEvidence, labels: list[str], reference: str) -> pl.DataFrame:
    """Each of ``labels`` minus ``reference`` on every task, with its 95 % interval.

    Columns: dataset, label, reference, delta, low, high. Labels must be those of one run a task and
    seed each; those that are not there are left out.
    """
    lines = []
    for dataset in evidence.ok["dataset"].unique(maintain_order=True):
        rows = evidence.ok.filter(pl.col("dataset") == dataset)
        right = rows.filter(pl.col("label") == reference)
        for label in labels:
            left = rows.filter(pl.col("label") == label)
            effect = evidence.effect(left, right)
            if effect is not None:
                numbers = {"delta": effect.effect, "low": effect.low, "high": effect.high}
                lines.append({"dataset": dataset, "label": label, "reference": reference} | numbers)
    names = {"dataset": str, "label": str, "reference": str, "delta": float, "low": float}
    return pl.DataFrame(lines, schema=names | {"high": float})


def integer_findings(effects: pl.DataFrame) -> list[str]:
    """What becomes of the loss of int8: by the raw codes, de-quantised, and without rounding."""
    sentences = []
    for (dataset,), group in effects.group_by("dataset", maintain_order=True):
        delta = {line["label"]: line for line in group.to_dicts()}
        if not {"int8-codes", "int8", "int8-codes-unrounded"} <= set(delta):
            continue
        raw, clean = delta["int8-codes"], delta["int8"]
        control = delta["int8-codes-unrounded"]
        sentences.append(
            f"{dataset}: comparing raw int8 codes costs {_spoken(raw)}; the same number of bits, "
            f"de-quantised, {_spoken(clean)}; the raw codes' map without any rounding "
            f"{_spoken(control)}."
        )
        if raw["high"] < 0:
            saved = 1 - clean["delta"] / raw["delta"]
            sentences.append(
                f"{dataset}: de-quantising removes {saved:.0%} of the loss of raw codes."
            )
    return sentences


def _spoken(line: dict) -> str:
    low, high = POINTS.signed(line["low"]), POINTS.signed(line["high"])
    return f"{POINTS.signed(line['delta'])} points ({low} to {high})"


def _foreign(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of codecs that were not fitted on the corpus they code, so that all are on equal terms."""
    return rows.filter(~pl.col("label").str.ends_with(OWN))


def kinds(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of codecs with their kind as ``family``: the method, or how dimensions were left out.

    Codecs that are fitted on the corpus are left out.
    """
    rows = _foreign(rows)
    reduced = pl.col("label").str.replace(r"-[^-]+$", "")
    kind = pl.when(pl.col("method") == "projected").then(reduced).otherwise(pl.col("method"))
    below = (pl.col("method") == "full") | (pl.col("budget") < 1)
    return rows.filter(below).with_columns(family=kind)


def contest(evidence: TextEvidence, budget: float) -> pl.DataFrame:
    """Every codec of one size against the best of them, a table a task in one frame.

    Codecs that are fitted on the corpus are left out. The best is the one whose rankings agree most with exact fp32 search, which needs no label, so the
    quality beside it is not the best of many. Columns: dataset, label, quality, agreement, delta to
    the best with its interval (low, high), p (Holm-adjusted over a task's codecs).
    """
    frames = []
    sized = _foreign(evidence.ok).filter((pl.col("budget") - budget).abs() < 1e-9)
    for (dataset,), rows in sized.group_by("dataset", maintain_order=True):
        means = rows.group_by("label", maintain_order=True).agg(
            pl.col("quality").mean(), agreement=pl.col(f"agreement.{dataset}").mean()
        )
        best = means.sort("agreement", descending=True)["label"][0]
        right = rows.filter(pl.col("label") == best)
        lines, effects = [], []
        for line in means.to_dicts():
            left = rows.filter(pl.col("label") == line["label"])
            effects.append(evidence.effect(left, right))
            numbers = {"delta": effects[-1].effect, "low": effects[-1].low}
            lines.append({"dataset": dataset} | line | numbers | {"high": effects[-1].high})
        adjusted = holm([effect.p_value() for effect in effects])
        frame = pl.DataFrame(lines).with_columns(p=pl.Series(adjusted), best=pl.lit(best))
        frames.append(frame.sort("quality", descending=True))
    return pl.concat(frames)


def contest_findings(table: pl.DataFrame, size: int) -> list[str]:
    """Which codec wins at ``size`` bytes, and which others cannot be told from it."""
    sentences = []
    for (dataset,), group in table.group_by("dataset", maintain_order=True):
        best = group["best"][0]
        first = group.filter(pl.col("label") == best).row(0, named=True)
        tied = group.filter((pl.col("p") >= 0.05) & (pl.col("label") != best))["label"].to_list()
        better = group.filter((pl.col("p") < 0.05) & (pl.col("delta") > 0))["label"].to_list()
        sentences.append(
            f"{dataset}, {size} bytes a vector: {best} agrees most with exact search "
            f"({first['agreement']:.0%} of the first ten) and has {POINTS.plain(first['quality'])} "
            "points; "
            + (
                f"not told apart from it: {', '.join(tied)}"
                if tied
                else "all others are told apart"
            )
            + (f"; better: {', '.join(better)}." if better else ".")
        )
    return sentences


def own_corpus(evidence: TextEvidence) -> pl.DataFrame:
    """Codecs fitted on the corpus that is searched against the same fitted on other texts.

    Columns: dataset, label (with its bytes), foreign and own quality, delta (own minus foreign) with its
    interval (low, high), p (Holm-adjusted over a task's codecs). Empty where none was fitted both ways.
    """
    frames = [pl.DataFrame(schema=_BOTH)]
    chosen = evidence.ok.filter(pl.col("label").str.ends_with(OWN))
    for (dataset,), rows in chosen.group_by("dataset", maintain_order=True):
        lines, effects = [], []
        for (label, budget), own in rows.group_by("label", "budget", maintain_order=True):
            name = label.removesuffix(OWN)
            same = {"dataset": dataset, "label": name, "budget": budget}
            other = evidence.ok.filter([pl.col(column) == value for column, value in same.items()])
            effect = None if other.is_empty() else evidence.effect(own, other)
            if effect is None:
                continue
            effects.append(effect)
            lines.append(
                {"dataset": dataset, "label": f"{name}, {own['code_bytes'][0]:,} bytes"}
                | {"foreign": other["quality"].mean(), "own": own["quality"].mean()}
                | {"delta": effect.effect, "low": effect.low, "high": effect.high}
            )
        adjusted = holm([effect.p_value() for effect in effects])
        columns = [line | {"p": p} for line, p in zip(lines, adjusted, strict=True)]
        frames.append(pl.DataFrame(columns, schema=_BOTH))
    return pl.concat(frames)


def own_corpus_findings(table: pl.DataFrame) -> list[str]:
    """Which codecs the searched corpus makes better, which worse; one sentence a task."""
    sure, delta = pl.col("p") < 0.05, pl.col("delta")
    sentences = []
    for (dataset,), group in table.group_by("dataset", maintain_order=True):
        parts = {
            "better": group.filter(sure & (delta > 0)),
            "worse": group.filter(sure & (delta < 0)),
            "not told apart": group.filter(~sure),
        }
        said = [
            f"{word}: " + ", ".join(f"{line['label']} {_spoken(line)}" for line in part.to_dicts())
            for word, part in parts.items()
            if not part.is_empty()
        ]
        sentences.append(
            f"{dataset}, fitted on the searched corpus against other texts: {'; '.join(said)}."
        )
    return sentences


def few_training_vectors(rows: pl.DataFrame) -> list[str]:
    """A sentence that names the codecs with fewer training vectors a centroid than faiss asks for."""
    count = pl.col("train_per_centroid").cast(pl.Float64)
    few = rows.filter((pl.col("status") == "ok") & (count < _FEW))
    if few.is_empty():
        return []
    names = ", ".join(few["label"].unique(maintain_order=True))
    least = few["train_per_centroid"].min()
    return [
        f"Fewer than the {_FEW} training vectors a centroid that faiss asks for (down to {least:.0f}): "
        f"{names}. More texts could raise them."
    ]


def rescoring(evidence: TextEvidence, pairs: dict[str, str], budget: float) -> pl.DataFrame:
    """Quality of codecs of one size before and after their short lists are ranked anew.

    ``pairs`` names for each first-stage label that of its rescored form, whatever its size. Columns: dataset, label,
    before, after, place_before, place_after (1 is the best).
    """
    sized = evidence.ok.filter((pl.col("budget") - budget).abs() < 1e-9)
    before, means = (
        rows.group_by(_SAME, maintain_order=True).agg(pl.col("quality").mean())
        for rows in (sized, evidence.ok.filter(pl.col("label").is_in(list(pairs.values()))))
    )
    names = pl.DataFrame({"label": list(pairs), "then": list(pairs.values())})
    before = before.join(names, on="label", maintain_order="left").rename({"quality": "before"})
    after = means.rename({"label": "then", "quality": "after"})
    joined = before.join(after, on=["dataset", "then"], maintain_order="left").drop("then")
    return joined.with_columns(
        pl.col(name).rank("min", descending=True).over("dataset").alias(f"place_{name}")
        for name in ("before", "after")
    )


def rescoring_findings(table: pl.DataFrame) -> list[str]:
    """Does rescoring change the order of codecs? Kendall's tau of the two orders, a task each."""
    sentences = []
    for (dataset,), group in table.group_by("dataset", maintain_order=True):
        tau = kendalltau(group["before"], group["after"]).statistic
        before, after = (group[name].to_numpy() for name in ("before", "after"))
        swapped = sum(
            (before[i] - before[j]) * (after[i] - after[j]) < 0
            for i, j in combinations(range(len(group)), 2)
        )
        sentences.append(
            f"{dataset}: rescoring shrinks the gap between the best and the worst of "
            f"{len(group)} codecs from {np.ptp(before):.2f} to {np.ptp(after):.2f} points and swaps "
            f"{swapped} of {len(group) * (len(group) - 1) // 2} pairs (Kendall's tau {tau:.2f})."
        )
    return sentences


def predictors(evidence: TextEvidence) -> pl.DataFrame:
    """Does a statistic that needs no label order codecs by quality? A line a task and statistic.

    Spearman's correlation over all codecs and sizes, with its p-value. Columns: dataset, statistic,
    codecs, correlation, p.
    """
    lines = []
    for (dataset,), rows in evidence.ok.group_by("dataset", maintain_order=True):
        there = [name for name in STATISTICS if f"{name}.{dataset}" in rows.columns]
        for name in there:
            column = f"{name}.{dataset}"
            some = rows.filter(pl.col("method") != "full").drop_nulls([column, "quality"])
            if some.height > 2:
                rank = spearmanr(some[column], some["quality"])
                lines.append(
                    {"dataset": dataset, "statistic": name, "codecs": some.height}
                    | {"correlation": float(rank.statistic), "p": float(rank.pvalue)}
                )
    return pl.DataFrame(lines)


def predictor_findings(table: pl.DataFrame) -> list[str]:
    """One sentence a task."""
    sentences = []
    for (dataset,), group in table.group_by("dataset", maintain_order=True):
        listed = ", ".join(f"{g['statistic']} {g['correlation']:+.2f}" for g in group.to_dicts())
        best = group.sort("correlation", descending=True).row(0, named=True)
        sentences.append(
            f"{dataset}: rank correlation with quality over {best['codecs']} codecs: {listed}; "
            f"{best['statistic']} orders them best."
        )
    return sentences
