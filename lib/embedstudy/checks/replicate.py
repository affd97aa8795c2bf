"""``make replicate``: train a few small models again and say whether this machine gives the same bytes.

``results/record/golden.json`` keeps, for each processor that has made them, the hash of each model's
test scores, its AUC and its first scores. What is the same to the byte here needs no other check; what
is not is told by how much. ``--keep`` adds this processor's figures to the file.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from embedstudy.core import files, params, paths
from embedstudy.core.errors import StudyError
from embedstudy.pipeline.provenance import cpu_model, versions
from embedstudy.study.engine.executor import Processes
from embedstudy.study.engine.keys import THREADS
from embedstudy.study.engine.outcome import Outcome
from embedstudy.study.tables.data import is_prepared
from embedstudy.study.tables.types import TableRun, TrainConfig

FILE = paths.RESULTS / "record" / "golden.json"
_SKETCH = 32  # scores that are kept, to tell how far others are from them
_WORK = "embedstudy.study.tables.run:work"
# One method of each kind of arithmetic: plain rows, matrix products, codebooks, pruning, a network.
_METHODS = {  # method -> its family and budget
    "full": ("reference", 1.0),
    "hash": ("sharing_rows", 0.1),
    "tt_rec": ("generated_rows", 0.1),
    "dhe": ("generated_rows", 0.1),
    "dpq": ("fewer_bits", 0.1),
    "pep": ("fewer_nonzeros", 0.1),
}


def runs() -> list[TableRun]:
    """The golden runs: on MovieLens, at a tenth of the bytes, two epochs, seed 0."""
    return [
        TableRun(
            dataset="movielens",
            backbone="dcnv2",
            backbone_options={"hidden": [64, 32], "cross_layers": 1},
            family=family,
            method=method,
            label=method,
            budget=budget,
            seed=0,
            train=TrainConfig(batch=1024, lr=0.004, epochs=2, table_l2=0.001),
        )
        for method, (family, budget) in _METHODS.items()
    ]


def golden(outcome: Outcome) -> dict:
    """What is kept of a run: the hash of its test scores, its AUC and its first scores."""
    scores = outcome.arrays["test"].astype(np.float32)
    return {
        "scores": hashlib.sha256(scores.tobytes()).hexdigest(),
        "auc": outcome.result["test_auc"],
        "first": [float(value) for value in scores[:_SKETCH]],
    }


def trained() -> dict[str, dict]:
    """The golden figures of this machine, by method."""
    if not is_prepared("movielens"):
        raise StudyError("MovieLens is not prepared: run `dvc repro prepare-movielens` first.")
    ask, found = runs(), {}
    executor = Processes(params.resolve_workers(None, "cpu"), THREADS)
    for index, finished in executor.map(_WORK, ask, lambda *_: None):
        if finished.status != "ok":
            raise StudyError(f"{ask[index].label} could not be trained: {finished.error}")
        found[ask[index].label] = golden(finished.outcome)
    return {run.label: found[run.label] for run in ask}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """This processor's name, with the numbers that tell generations of one name apart."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    entries = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    numbers = [f"{name} {entries[name]}" for name in ("cpu family", "model") if name in entries]
    return ", ".join([cpu_model(cpuinfo), *numbers])


def read() -> dict[str, dict]:
    """Processor -> its versions and figures; empty where none is kept."""
    return json.loads(FILE.read_text()) if FILE.is_file() else {}


def compare(here: dict[str, dict], kept: dict[str, dict]) -> pl.DataFrame:
    """A line a processor and method: whether the bytes are the same, else how far AUC and scores are.

    Columns: processor, method, same (bytes), auc (difference), score (largest difference of the
    scores that were kept).
    """
    lines = []
    for processor, record in kept.items():
        for method, old in record["runs"].items():
            if method not in here:
                continue
            new = here[method]
            apart = np.abs(np.subtract(new["first"], old["first"])).max()
            lines.append(
                {"processor": processor, "method": method, "same": new["scores"] == old["scores"]}
                | {"auc": new["auc"] - old["auc"], "score": float(apart)}
            )
    return pl.DataFrame(lines)


def sentences(table: pl.DataFrame) -> list[str]:
    """What the comparison says, one sentence a processor."""
    said = []
    for (processor,), group in table.group_by("processor", maintain_order=True):
        other = group.filter(~pl.col("same"))
        if other.is_empty():
            said.append(f"{processor}: same bytes in all {len(group)} runs.")
            continue
        said.append(
            f"{processor}: same bytes in {len(group) - len(other)} of {len(group)} runs; the others "
            f"differ by at most {other['auc'].abs().max():.4f} AUC and {other['score'].max():.1e} in a "
            f"score ({', '.join(other['method'])})."
        )
    return said


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="add this processor to the record")
    keep = parser.parse_args(arguments).keep
    here, kept = trained(), read()
    print(f"This processor: {processor()}")
    for sentence in sentences(compare(here, kept)) if kept else ["No processor is on record yet."]:
        print(sentence)
    if keep:
        kept[processor()] = {"versions": versions(), "runs": here}
        files.write_bytes(FILE, (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
