"""What the first page of the report shows: headline charts, best methods, verdicts, chapters."""

import json
from fractions import Fraction
from pathlib import Path

from embedstudy.core.errors import StudyError
from embedstudy.report import frames
from embedstudy.report.charts import Charts, spec_of
from embedstudy.report.pages import Chapter, names, read, title, wall

_FRONTIER = "frontier"
_BEST = {
    "dataset",
    "backbone",
    "budget",
    "label",
    "test_auc",
    "delta",
    "low",
    "high",
    "serve_bytes",
}


def _outputs(chapter: Chapter | None) -> list[dict]:
    """The data of a chapter's outputs, in order."""
    cells = [] if chapter is None else chapter.notebook.cells
    return [
        output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output
    ]


def _best(outputs: list[dict]) -> tuple | None:
    """Headings, rows and text columns of the best method a budget, from the frontier's table."""
    for data in outputs:
        rows = frames.records(data.get("text/html", ""))
        if rows and rows[0].keys() >= _BEST:
            break
    else:
        return None
    shown = [
        [
            row["dataset"],
            row["backbone"],
            str(Fraction(row["budget"]).limit_denominator(10_000)),
            row["label"],
            row["test_auc"],
            row["delta"].replace("-", "−"),
            f"{row['low']} to {row['high']}".replace("-", "−"),
            f"{int(row['serve_bytes'].replace(',', '')):,}",
        ]
        for row in rows
    ]
    text = ("data", "backbone", "budget", "best method")
    return [*text, "test AUC", "difference", "95 % interval", "bytes"], shown, text


def _verdicts(path: Path) -> list[dict]:
    """The claims in ``path``, each with its lines (a line a data set), in the file's order."""
    if not path.is_file():
        return []
    claims: dict[str, dict] = {}
    try:
        for line in json.loads(path.read_text(encoding="utf-8")):
            claim = {"text": line["text"], "source": line["source"], "lines": []}
            lines = claims.setdefault(line["id"], claim)["lines"]
            lines.append({n: line[n] for n in ("dataset", "verdict", "effect", "low", "high")})
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path} does not hold verdicts: run 'dvc repro --force claims' to write it again."
        ) from error
    return list(claims.values())


def content(known: list[Chapter], reports: Path, results: Path, notebooks: Path) -> dict:
    """What ``index.html.j2`` shows, by name. ``known``: the chapters that were run, in order."""
    frontier = next((one for one in known if one.section == _FRONTIER), None)
    outputs = _outputs(frontier)
    specs = [spec for spec in map(spec_of, outputs) if spec is not None]
    charts = Charts("the index")
    ran = {one.name: one for one in known}
    listed = []
    for name in sorted({*names(notebooks), *ran}, key=lambda name: name.rpartition("/")[2]):
        if name in ran:
            one = ran[name]
            listed.append({"href": one.page, "title": one.title, "wall": wall(reports, one)})
        else:
            missing = read(notebooks / f"{name}.ipynb")
            listed.append({"href": None, "title": title(missing, name), "wall": None})
    return {
        "frontier": frontier,
        "charts": [charts(spec) for spec in specs],
        "best": _best(outputs),
        "verdicts": _verdicts(results / "claims" / "verdicts.json"),
        "chapters": listed,
        "total": sum(entry["wall"]["seconds"] for entry in listed if entry["wall"]),
    }
