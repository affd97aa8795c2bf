"""Claims about cost: judged from measured times, so for one machine, and kept out of results."""

import polars as pl

from embedstudy.study.evidence.claims import conditions

_SAME = ["dataset", "backbone"]


def _matching(frame: pl.DataFrame, side: dict) -> pl.DataFrame:
    return frame.filter([pl.col(name).is_in(values) for name, values in conditions(side)])


def evaluate(rows: pl.DataFrame, times: pl.DataFrame, claims: list[dict]) -> pl.DataFrame:
    """A line a claim with a ``measure``, data set and backbone.

    The claim is: the cost of ``left`` is more than ``margin`` times that of ``right``, seed by seed
    at equal budgets; with ``best: true`` the right side is the most expensive of the other methods
    it matches. It holds if that is so for every pair, does not hold if for none, and is not decided
    otherwise. Columns: text, dataset, backbone, left, right, ratio (mean), pairs, verdict.
    """
    methods = rows.filter((pl.col("status") == "ok") & (pl.col("method") != "full"))
    timed = methods.join(times, on="key")
    lines = []
    for claim in claims:
        if "measure" not in claim:
            continue
        among = timed.filter(pl.col("budget").is_in(claim["budgets"]))
        for same, group in among.group_by(_SAME, maintain_order=True):
            line = _judge(group, claim)
            if line is not None:
                lines.append({"text": claim["text"]} | dict(zip(_SAME, same, strict=True)) | line)
    return pl.DataFrame(lines)


def _judge(group: pl.DataFrame, claim: dict) -> dict | None:
    measure, pair = claim["measure"], ["budget", "seed"]
    left = _matching(group, claim["left"])
    right = _matching(group, claim["right"]).filter(~pl.col("key").is_in(left["key"].to_list()))
    if left.is_empty() or right.is_empty():
        return None
    means = right.group_by("label", maintain_order=True).agg(pl.col(measure).mean())
    rival = means.sort(measure, descending=True)["label"][0]
    both = left.select(*pair, cost=measure, label="label").join(
        right.filter(pl.col("label") == rival).select(*pair, other=measure), on=pair
    )
    if both.is_empty():
        return None
    ratios = both["cost"] / both["other"]
    above = (ratios > claim["margin"]).sum()
    verdict = {0: "does not hold", len(ratios): "holds"}.get(above, "not decided")
    return {
        "left": both["label"][0],
        "right": rival,
        "ratio": ratios.mean(),
        "pairs": len(ratios),
        "verdict": verdict,
    }
