"""The grid of a chapter on vector codes, as data: one run a codec and seed."""

from collections.abc import Iterable

from embedstudy import codes
from embedstudy.codes.base import Codec
from embedstudy.study.codes.settings import CodesSettings
from embedstudy.study.codes.types import CodecRun

FAMILY = "codecs"


def codec_runs(codecs: Iterable[Codec], dim: int, settings: CodesSettings) -> list[CodecRun]:
    """One run a codec and seed, after the uncompressed vectors of ``dim`` numbers.

    A run's budget is its code's bytes as a fraction of the fp32 vector's. Codecs that draw nothing at
    random give the same row for every seed, and are run for the first alone.
    """
    seeds = settings.seeds
    lines = [("reference", "full", "fp32", {}, 1.0, seeds[:1])]
    for codec in codecs:
        spec = codes.spec(codec)
        fraction = codec.code_bytes(dim) / (4 * dim)
        drawn = seeds if codec.random else seeds[:1]
        lines.append((FAMILY, spec["method"], codec.name, spec["options"], fraction, drawn))
    return [
        CodecRun(
            backbone="all-MiniLM-L6-v2",
            family=family,
            method=method,
            label=label,
            options=options,
            budget=budget,
            seed=seed,
            dim=dim,
            tasks=settings.tasks,
            training=settings.training,
        )
        for family, method, label, options, budget, chosen in lines
        for seed in chosen
    ]
