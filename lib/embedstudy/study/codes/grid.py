"""The grid of a chapter on vector codes, as data: one dict a run."""

from collections.abc import Iterable

from embedstudy import codes
from embedstudy.codes.base import Codec


def codec_runs(
    codecs: Iterable[Codec],
    *,
    family: str,
    dim: int,
    seeds: list[int],
    tasks: dict[str, dict],
    training: dict[str, int],
) -> list[dict]:
    """One run a codec and seed, after the uncompressed vectors.

    A run's budget is its code's bytes as a fraction of the fp32 vector's. Codecs that draw nothing at
    random give the same row for every seed, and are run for the first alone.
    """
    lines = [("reference", "full", "fp32", {}, 1.0, seeds[:1])]
    for codec in codecs:
        spec = codes.spec(codec)
        fraction = codec.code_bytes(dim) / (4 * dim)
        drawn = seeds if codec.random else seeds[:1]
        lines.append((family, spec["method"], codec.name, spec["options"], fraction, drawn))
    return [
        {
            "place": "codes",
            "backbone": "all-MiniLM-L6-v2",
            "family": of,
            "method": method,
            "label": label,
            "options": options,
            "budget": budget,
            "seed": seed,
            "dim": dim,
            "tasks": tasks,
            "training": training,
        }
        for of, method, label, options, budget, chosen in lines
        for seed in chosen
    ]
