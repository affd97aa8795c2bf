"""The grid of a chapter on vector codes, as data: one run a codec, what it is fitted on, and seed."""

from collections.abc import Iterable

from embedstudy import codes
from embedstudy.codes.base import Codec
from embedstudy.core.errors import StudyError
from embedstudy.study.codes.settings import CodesSettings
from embedstudy.study.codes.types import OWN, CodecRun

FAMILY = "codecs"


def codec_runs(codecs: Iterable[Codec], dim: int, settings: CodesSettings) -> list[CodecRun]:
    """One run a codec, what it is fitted on, and seed, after the uncompressed vectors of ``dim`` numbers.

    A run's budget is its code's bytes as a fraction of the fp32 vector's. Codecs that draw nothing at
    random give the same row for every seed, and are run for the first alone; those that learn nothing
    are not fitted twice. Raises ``StudyError`` if ``settings.own_corpus`` names what is no codec here.
    """
    codecs, seeds = list(codecs), settings.seeds
    _require_own({(codec.name, codec.code_bytes(dim)) for codec in codecs}, settings)
    lines = [("reference", "full", "fp32", {}, 1.0, "training", seeds[:1])]
    for codec in codecs:
        spec = codes.spec(codec)
        fraction = codec.code_bytes(dim) / (4 * dim)
        drawn = seeds if codec.random else seeds[:1]
        for fitted_on in _fitted_on(codec, dim, settings):
            label = codec.name + OWN * (fitted_on == "corpus")
            lines.append(
                (FAMILY, spec["method"], label, spec["options"], fraction, fitted_on, drawn)
            )
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
            fitted_on=fitted_on,
        )
        for family, method, label, options, budget, fitted_on, chosen in lines
        for seed in chosen
    ]


def _fitted_on(codec: Codec, dim: int, settings: CodesSettings) -> list[str]:
    if not codec.learns:
        return ["training"]
    sizes = settings.own_corpus.get(codec.name, [])
    own = not settings.own_corpus or codec.code_bytes(dim) in sizes
    return [one for one in settings.fitted_on if one != "corpus" or own]


def _require_own(there: set[tuple[str, int]], settings: CodesSettings) -> None:
    """Raise ``StudyError`` if a codec that is to be fitted on the corpus is not in the grid."""
    if "corpus" not in settings.fitted_on:
        return
    for name, sizes in settings.own_corpus.items():
        for size in sizes:
            if (name, size) not in there:
                raise StudyError(
                    f"own_corpus names '{name}' of {size} bytes, which this grid does not hold: add "
                    "the size to sizes, or leave the codec out of own_corpus."
                )
