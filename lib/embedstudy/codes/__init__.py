"""Vector codecs: the vectors an encoder writes into an index, in fewer bytes."""

from collections.abc import Iterator

from embedstudy.codes.base import Codec, bytes_per_vector
from embedstudy.codes.binary import Binary, Rescored
from embedstudy.codes.projection import REDUCTIONS, Projected
from embedstudy.codes.quantisers import OPQ, PQ, RQ
from embedstudy.codes.recurrent import Recurrent
from embedstudy.codes.rotation import ITQ, RandomRotation
from embedstudy.codes.scalar import Float, Integer
from embedstudy.core.errors import InfeasibleBudget, StudyError

__all__ = [
    "CODECS",
    "Codec",
    "Integer",
    "Rescored",
    "build",
    "bytes_per_vector",
    "candidates",
    "integer_rules",
    "method_class",
    "spec",
]

CODECS: dict[str, type[Codec]] = {
    codec.method: codec
    for codec in (
        Float,
        Integer,
        Binary,
        RandomRotation,
        ITQ,
        Projected,
        PQ,
        OPQ,
        RQ,
        Recurrent,
        Rescored,
    )
}
_LEAST_USE = 0.9  # share of the budget that a codec must use to be compared at it
_RQ_LEVELS = 24  # beyond, codebooks of 400 kB a level weigh more than the codes
_LEAST_WIDTH = {8: 8, 4: 2}  # dimensions a part; narrower ones are scalar quantisers, dearly fitted


def method_class(method: str) -> type[Codec]:
    """The class of a codec; ``full`` is fp32. Raises ``StudyError`` for an unknown name."""
    classes = {"full": Float} | CODECS
    if method not in classes:
        raise StudyError(f"Unknown codec '{method}': choose one of {', '.join(classes)}.")
    return classes[method]


def spec(codec: Codec) -> dict:
    """``method`` and ``options`` of a codec, JSON-safe, from which ``build`` makes it again."""
    options = {
        name: spec(value) if isinstance(value, Codec) else value
        for name, value in codec.options().items()
    }
    return {"method": codec.method, "options": options}


def build(method: str, options: dict) -> Codec:
    """The codec, not yet fitted, that ``spec`` described."""
    inner = {
        name: build(value["method"], value["options"]) if isinstance(value, dict) else value
        for name, value in options.items()
    }
    try:
        return method_class(method)(**inner)
    except TypeError as error:
        raise StudyError(f"Codec '{method}': {error}.") from error


def candidates(dim: int, bytes_per_vector: int) -> list[Codec]:
    """Codecs, not yet fitted, whose code of a ``dim``-dimensional vector uses 90 % to 100 % of
    ``bytes_per_vector``.

    Codebooks come on top, as their share depends on the number of vectors (``bytes_per_vector`` of a
    codec and its codes). More bytes than fp32 needs are treated as fp32's. Residual quantisation is left
    out above 24 bytes, product quantisation where its parts would be narrower than 8 dimensions (2 for
    parts of 4 bits). Integers come in their best rule; ``integer_rules`` lists the others.

    Raises ``InfeasibleBudget`` below one byte, ``StudyError`` for a number of dimensions below one.
    """
    if dim < 1:
        raise StudyError(f"Vectors of {dim} dimensions cannot be coded: use at least one.")
    if bytes_per_vector < 1:
        raise InfeasibleBudget(
            f"The smallest codec needs 1 byte a vector, the budget is {bytes_per_vector}."
        )
    budget = min(int(bytes_per_vector), 4 * dim)
    every = [*_whole(), *_signs(dim, budget), *_projected(dim, budget), *_learned(dim, budget)]
    return [codec for codec in every if _LEAST_USE * budget <= codec.code_bytes(dim) <= budget]


def integer_rules() -> list[Integer]:
    """8-bit integers by every scoring rule that libraries use, and their unrounded controls."""
    rules = ("values", "codes", "own-codes", "float-codes")
    return [
        *(Integer(scoring=rule) for rule in rules),
        *(Integer(scoring=rule, calibrate="corpus") for rule in rules),
        Integer(scoring="codes", cosine=True),
        *(Integer(ranges=ranges, scoring="codes") for ranges in ("global", "unit")),
        *(Integer(ranges=ranges) for ranges in ("global", "unit")),
        *(Integer(scoring=rule, rounding=False) for rule in rules),
    ]


def _whole() -> Iterator[Codec]:
    """Codecs that keep every dimension, of whatever size."""
    yield from (Float("fp32"), Float("fp16"), Float("fp8"), Float("fp8", scaled=True))
    yield from (Integer(), Integer(ranges="global"), Integer(ranges="unit"))
    yield from (Integer(4), Integer(4, ranges="global"))
    for threshold in ("zero", "median"):
        yield Binary(threshold, queries="codes")
        yield Binary(threshold)
        yield Binary(threshold, levels="means")


def _signs(dim: int, budget: int) -> Iterator[Codec]:
    bits = 8 * budget
    for queries in ("codes", "float"):
        if bits <= 4 * dim:
            yield RandomRotation(bits, queries=queries)
        yield ITQ(min(bits, dim), queries=queries)


def _projected(dim: int, budget: int) -> Iterator[Codec]:
    """Fewer dimensions: in floats, in integers of 8 and 4 bits, in signs."""
    for reduction in REDUCTIONS:
        yield from (
            Projected(reduction, dims, inner())
            for dims, inner in (
                (budget // 4, Float),
                (budget, Integer),
                (2 * budget, lambda: Integer(4)),
                (8 * budget, Binary),
            )
            if 1 <= dims < dim
        )


def _learned(dim: int, budget: int) -> Iterator[Codec]:
    for bits, width in _LEAST_WIDTH.items():
        most = min(8 * budget // bits, dim // width)
        parts = max((p for p in range(1, most + 1) if dim % p == 0), default=None)
        if parts is not None:
            yield from (PQ(parts, bits), OPQ(parts, bits))
    if budget <= _RQ_LEVELS:
        yield RQ(budget)
    yield from (
        Recurrent(8 * budget // levels, levels)
        for levels in (1, 2)
        if 8 * budget % levels == 0 and 8 * budget // levels <= dim
    )
