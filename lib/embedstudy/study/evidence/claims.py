"""The claims ledger: comparisons over rows, declared in ``claims.yaml``, with computed verdicts."""

import json
from pathlib import Path

import polars as pl

from embedstudy.core import catalogue, files, paths, yaml_file
from embedstudy.core.errors import StudyError, legible, nearest
from embedstudy.core.rules import Number, Several
from embedstudy.core.schema import check
from embedstudy.measure.significance import Effect, holm
from embedstudy.measure.units import BY_NAME, PERCENT
from embedstudy.study.evidence.comparisons import Evidence

KEY = "claims"  # its chapter in the catalogue
_VERDICTS = "verdicts.json"
_SHOWN = ("id", "text", "source", "dataset", "verdict", "effect", "low", "high")  # by the report
_SIDE = {"family": str, "method": str, "label": str, "best": bool}
_SIDE |= {"families": Several(str), "labels": Several(str)}  # one of several
_CLAIM = {
    "id": str,
    "text": str,
    "source": str,
    "left": _SIDE,
    "right": _SIDE,
    "budgets": Several(Number(0, 2, above=True)),
    "margin": Number(-100, 100),
}
_OPTIONAL = {"reason": str, "measure": str, "chapter": str, "unit": {PERCENT.name}}
LEVEL = 0.05
MEASURE = "train_seconds"  # what a claim may be about besides AUC; see ``time_claims``


def read(path: Path) -> list[dict]:
    """The claims of a file; raises ``StudyError`` naming the claim and the key that is wrong."""
    claims = yaml_file.read(path)
    if not isinstance(claims, list) or not all(isinstance(claim, dict) for claim in claims):
        raise StudyError(
            f"{path.name} must be a list of claims, each a map that starts with '- id'."
        )
    if not claims:
        raise StudyError(f"{path.name} states no claim: give it one.")
    for number, claim in enumerate(claims, 1):
        name = claim["id"] if isinstance(claim.get("id"), str) else str(number)
        _check(claim, f"{path.name}: claim '{legible(name)}': ")
    names = [claim["id"] for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"{path.name}: claim '{name}' stands there twice: rename one.")
    return claims


def _check(claim: dict, where: str) -> None:
    check(claim, _CLAIM | _OPTIONAL, where)
    check({k: v for k, v in claim.items() if k in _CLAIM}, _CLAIM, where, required=True)
    if claim.get("measure", MEASURE) != MEASURE:
        raise StudyError(f"{where}measure is {claim['measure']!r}: it can only be {MEASURE}.")
    for side in ("left", "right"):
        if not conditions(claim[side]):
            raise StudyError(f"{where}{side} names no runs: give it a label, a method or a family.")
    _require_chapter(claim, where)


def _require_chapter(claim: dict, where: str) -> None:
    """Raise ``StudyError`` if a claim is about a chapter that does not exist."""
    keys = [chapter.key for place in catalogue.PLACES for chapter in catalogue.of_place(place)]
    if "chapter" in claim and claim["chapter"] not in keys:
        raise StudyError(
            f"{where}there is no chapter '{claim['chapter']}': {nearest(claim['chapter'], keys)}"
        )


def verdict(effect: Effect, margin: float, p_adjusted: float) -> str:
    """'holds', 'does not hold' or 'not decided', for the claim "effect > margin".

    Decided only if the difference from the margin stays significant after Holm's correction over
    all claims and data sets.
    """
    if p_adjusted >= LEVEL:
        return "not decided"
    return "holds" if effect.effect > margin else "does not hold"


def conditions(side: dict) -> list[tuple[str, list[str]]]:
    """The columns that a side of a claim names, each with the values it may have."""
    several = {"families": "family", "labels": "label"}
    return [
        (several.get(name, name), value if name in several else [value])
        for name, value in side.items()
        if name != "best"
    ]


_is_reference = pl.col("family") == "reference"


def _side(rows: pl.DataFrame, chosen: dict, budgets: list[float]) -> pl.DataFrame:
    """The runs of one side of a claim: one a seed and budget."""
    matching = rows.filter([pl.col(name).is_in(values) for name, values in conditions(chosen)])
    # The uncompressed model, in one phase of training or two, has one size to compare with all.
    matching = matching.filter(
        _is_reference | pl.col("budget").is_in([float(budget) for budget in budgets])
    )
    if matching.is_empty() or matching["label"].n_unique() == 1 or not chosen.get("best"):
        return matching
    means = matching.group_by("budget", "label", maintain_order=True).agg(
        pl.col("valid_auc").mean()
    )
    best = means.sort(["budget", "valid_auc"], descending=[False, True])
    return matching.join(best.unique("budget", keep="first"), on=["budget", "label"], how="semi")


def _one_label_a_budget(side: pl.DataFrame, claim: dict, name: str) -> None:
    counts = side.group_by("budget").agg(pl.col("label").n_unique().alias("labels"))
    if (counts["labels"] > 1).any():
        labels = ", ".join(side["label"].unique().sort())
        raise StudyError(
            f"claims.yaml: claim '{claim['id']}': {name} matches several methods ({labels}): "
            "name one or add 'best: true'."
        )


def evaluate(gathered: dict[str, Evidence], claims: list[dict]) -> pl.DataFrame:
    """A line a claim, data set and backbone: id, text, source, dataset, backbone, left, right,
    effect with its 95 % interval (low, high), margin, p (Holm-adjusted), seeds, verdict, unit.

    ``gathered``: the evidence of "tables", all chapters on them together, and of other chapters by
    their keys; a claim is about tables unless it names a chapter. A claim that no runs speak to (a
    side missing or not feasible) has the verdict "no runs"; claims about time are not among them, as
    times are no result.
    """
    lines, effects = [], []
    for claim in claims:
        about = claim.get("chapter", "tables")
        if "measure" in claim or about not in gathered:
            continue  # judged where the times are; or not run
        evidence = gathered[about]
        for name in ("left", "right"):
            _require_runs(claim, name, evidence.rows)
        cells = evidence.rows.select("dataset", "backbone").unique(maintain_order=True)
        for cell in cells.to_dicts():
            line, effect = _evaluate_one(evidence, claim, cell)
            lines.append(line | {"unit": claim.get("unit", evidence.quality.name)})
            effects.append(effect)
    decided = [i for i, effect in enumerate(effects) if effect is not None]
    adjusted = holm([effects[i].p_value(lines[i]["margin"]) for i in decided])
    for i, p in zip(decided, adjusted, strict=True):
        lines[i] |= {"p": p, "verdict": verdict(effects[i], lines[i]["margin"], p)}
    return pl.DataFrame(lines, infer_schema_length=None)


def _require_runs(claim: dict, name: str, rows: pl.DataFrame) -> None:
    """Raise ``StudyError`` if a side names what no run is."""
    for column, values in conditions(claim[name]):
        there = set(rows[column])
        for value in values:
            if value not in there:
                raise StudyError(
                    f"claims.yaml: claim '{claim['id']}': no run has the {column} {value!r}; "
                    f"there are {', '.join(sorted(there))}."
                )


def _evaluate_one(evidence: Evidence, claim: dict, cell: dict) -> tuple[dict, Effect | None]:
    rows = evidence.ok.filter([pl.col(name) == value for name, value in cell.items()])
    left, right = (_side(rows, claim[name], claim["budgets"]) for name in ("left", "right"))
    line = {k: claim[k] for k in ("id", "text", "source")} | cell
    for name, side in (("left", left), ("right", right)):
        _one_label_a_budget(side, claim, name)
        line[name] = ", ".join(side["label"].unique(maintain_order=True))
    # Both sides must hold the same budgets, or the difference would be one of bytes.
    budgets = set(left["budget"]) & set(right["budget"]) if _varies(left, right) else None
    if budgets is not None:
        left, right = (s.filter(pl.col("budget").is_in(list(budgets))) for s in (left, right))
    percent = claim.get("unit") == PERCENT.name
    missing = left.is_empty() or right.is_empty()
    effect = None if missing else evidence.effect(left, right, percent=percent)
    numbers = dict.fromkeys(("effect", "low", "high"))
    if effect is not None:
        numbers = {"effect": effect.effect, "low": effect.low, "high": effect.high}
    seeds = min(left["seed"].n_unique(), right["seed"].n_unique())
    ends = {"margin": float(claim["margin"]), "p": None, "seeds": seeds, "verdict": "no runs"}
    return line | numbers | ends, effect


def _varies(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    return not any(side.select(_is_reference.any()).item() for side in (left, right))


def evaluate_file(gathered: dict[str, Evidence], path: Path | None = None) -> pl.DataFrame:
    """Evaluate ``claims.yaml`` and write the verdicts into the chapter's results."""
    verdicts = evaluate(gathered, read(path or paths.ROOT / "claims.yaml"))
    lines = verdicts.fill_nan(None).to_dicts()
    text = json.dumps(lines, indent=1, ensure_ascii=False) + "\n"
    files.write_bytes(paths.results_of(KEY) / _VERDICTS, text.encode())
    return verdicts


def read_verdicts() -> list[dict]:
    """The verdicts that ``evaluate_file`` wrote when the pipeline ran the chapter; none before that.

    Raises ``StudyError`` if the file does not hold verdicts.
    """
    path = paths.RESULTS / KEY / _VERDICTS
    if not path.is_file():
        return []
    try:
        return [
            {name: line[name] for name in _SHOWN}
            for line in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path} does not hold verdicts: run 'dvc repro --force {KEY}' to write it again."
        ) from error


def findings(verdicts: pl.DataFrame) -> list[str]:
    """One sentence a claim and data set."""
    sentences = []
    for line in verdicts.to_dicts():
        where = f"{line['text']} ({line['dataset']}, {line['backbone']})"
        if line["effect"] is None:
            sentences.append(f"{where}: no pair of runs speaks to it at these budgets.")
            continue
        unit = BY_NAME[line["unit"]]
        low, high, margin = (unit.signed(line[name]) for name in ("low", "high", "margin"))
        sentences.append(
            f"{where}: {line['verdict']}; {line['left']} minus {line['right']} is "
            f"{unit.signed(line['effect'])} {unit.name} (95 % interval {low} to {high}, "
            f"margin {margin}, Holm-adjusted p {_p_value(line['p'])}, "
            f"{line['seeds']} seed{'s' * (line['seeds'] != 1)})."
        )
    return sentences


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
