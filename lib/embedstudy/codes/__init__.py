"""Vector codecs: the vectors an encoder writes into an index, in fewer bytes."""

from collections.abc import Iterator

from embedstudy.codes.base import Codec, bytes_per_vector
from embedstudy.codes.bebr import BEBR
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
        BEBR,
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


def candidates(dim: int, bytes_per_vector: int, *, opq_iterations: int = 50) -> list[Codec]:
    """Codecs, not yet fitted, whose code of a ``dim``-dimensional vector uses 90 % to 100 % of
    ``bytes_per_vector``.

    Codebooks come on top, as their share depends on the number of vectors (``bytes_per_vector`` of a
    codec and its codes). More bytes than fp32 needs are treated as fp32's. Residual quantisation is left
    out above 24 bytes, product quantisation where its parts would be narrower than 8 dimensions (2 for
    parts of 4 bits). Integers come in their best rule; ``integer_rules`` lists the others. ``BEBR``,
    which trains networks, is not among them. ``opq_iterations`` are those of ``OPQ``, the slowest of
    these to fit.

    Raises ``InfeasibleBudget`` below one byte, ``StudyError`` for a number of dimensions below one.
    """
    if dim < 1:
        raise StudyError(f"Vectors of {dim} dimensions cannot be coded: use at least one.")
    if bytes_per_vector < 1:
        raise InfeasibleBudget(
            f"The smallest codec needs 1 byte a vector, the budget is {bytes_per_vector}."
        )
    budget = min(int(bytes_per_vector), 4 * dim)
    learned = _learned(dim, budget, opq_iterations)
    every = [*_whole(), *_signs(dim, budget), *_projected(dim, budget), *learned]
    return [codec for codec in every if _LEAST_USE * budget <= codec.code_bytes(dim) <= budget]


def integer_rules() -> list[Codec]:
    """8-bit integers by each rule that a codec of ``Integer`` knows, and their unrounded controls.

    Those of sentence-transformers 6.2 are here as its search helpers apply them, alone and with short
    lists of 2 k and 4 k rescored: ``codes`` with usearch, ``unsigned-codes`` with faiss. Those of
    usearch, which casts floats itself, are ``unit`` ranges rounded towards zero, by inner product and
    by its default, the cosine.
    """
    rules = ("values", "codes", "unsigned-codes", "own-codes", "float-codes")
    usearch = {"ranges": "unit", "scoring": "codes", "rounding": "zero"}
    return [
        *(Integer(scoring=rule) for rule in rules),
        *(
            Rescored(Integer(scoring=rule), factor=factor)
            for rule in ("codes", "unsigned-codes")
            for factor in (2, 4)
        ),
        Integer(scoring="codes", cosine=True),
        *(Integer(ranges=ranges, scoring="codes") for ranges in ("global", "unit")),
        *(Integer(ranges=ranges) for ranges in ("global", "unit")),
        *(Integer(**usearch, cosine=cosine) for cosine in (False, True)),
        *(Integer(scoring=rule, rounding="none") for rule in rules),
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
    yield Rescored(Binary(queries="codes"))  # as published: bits list, float queries rank


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


def _learned(dim: int, budget: int, opq_iterations: int) -> Iterator[Codec]:
    for bits, width in _LEAST_WIDTH.items():
        most = min(8 * budget // bits, dim // width)
        parts = max((p for p in range(1, most + 1) if dim % p == 0), default=None)
        if parts is not None:
            yield from (PQ(parts, bits), OPQ(parts, bits, iterations=opq_iterations))
    if budget <= _RQ_LEVELS:
        yield RQ(budget)
    yield from (
        Recurrent(8 * budget // levels, levels)
        for levels in (1, 2)
        if 8 * budget % levels == 0 and 8 * budget // levels <= dim
    )
