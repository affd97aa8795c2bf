"""One number a dimension, in fewer bits: floats of 32, 16 and 8 bits, integers of 8 and 4 bits."""

import copy
from typing import Self

import numpy as np
import torch

from embedstudy.codes.base import Codec, check_option
from embedstudy.measure.vectors import unit

_FP8_MAX = 448.0  # largest e4m3 value; beyond, the conversion would give NaN


class Float(Codec):
    """Every dimension as a float: ``fp32`` (no loss), ``fp16``, or ``fp8`` (e4m3: 4 exponent bits,
    3 mantissa bits, smallest normal number 2^-6).

    The dimensions of a unit vector of 384 are near 0.05, where e4m3 has two or three bits left.
    ``scaled`` divides by one number, so that the largest training value becomes 448 and nearly all
    values are normal numbers; it costs four bytes in all. Larger values than in training saturate.

    Args:
        kind: ``fp32``, ``fp16`` or ``fp8``: 4, 2 or 1 bytes a dimension.
        scaled: are values divided by a number from training first? For ``fp8`` only.
    """

    method = "float"

    def __init__(self, kind: str = "fp32", *, scaled: bool = False):
        super().__init__()
        check_option(self.method, "kind", kind, ("fp32", "fp16", "fp8"))
        check_option(self.method, "scaled", scaled, (False, True) if kind == "fp8" else (False,))
        self.kind, self.scaled = kind, scaled

    def _name(self) -> str:
        return self.kind + ("-scaled" if self.scaled else "")

    @property
    def learns(self) -> bool:
        return self.scaled

    def code_bytes(self, dim: int) -> int:
        return dim * {"fp32": 4, "fp16": 2, "fp8": 1}[self.kind]

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if self.scaled:
            scale = max(np.abs(train).max() / _FP8_MAX, np.finfo(np.float32).tiny)
            self.codebooks["scale"] = np.array([scale], np.float32)

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        if self.kind != "fp8":
            return vectors.astype({"fp32": "<f4", "fp16": "<f2"}[self.kind]).view(np.uint8)
        scaled = np.clip(vectors / self._scale(), -_FP8_MAX, _FP8_MAX)
        return torch.from_numpy(scaled).to(torch.float8_e4m3fn).view(torch.uint8).numpy()

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        if self.kind != "fp8":
            values = np.ascontiguousarray(codes).view({"fp32": "<f4", "fp16": "<f2"}[self.kind])
            return values.astype(np.float32)
        values = torch.from_numpy(np.ascontiguousarray(codes)).view(torch.float8_e4m3fn)
        return values.to(torch.float32).numpy() * self._scale()

    def _scale(self) -> np.ndarray | np.float32:
        return self.codebooks.get("scale", np.float32(1))


class Integer(Codec):
    """Every dimension as an integer: c = floor((x - start) / step), clipped to 0 .. 2^bits - 1.

    ``ranges`` decides the affine map:

    - ``dimension``: start = min, step = (max - min) / (2^bits - 1) of each dimension of the training
      vectors, as ``quantize_embeddings`` of sentence-transformers has it. Later vectors out of range
      saturate.
    - ``global``: one step for all dimensions, the largest training value / (2^(bits-1) - 1), and zero
      in the middle of a code.
    - ``unit``: the same with the fixed step 1 / (2^(bits-1) - 1), fit for any unit vector, as in
      usearch; nothing is fitted, but vectors of many dimensions use a part of the codes only.

    ``scoring`` decides what is compared, and is not the same at any number of bits: with codes of
    per-dimension ranges, codes' inner product weighs dimension j by 1 / step_j^2 and adds terms that
    depend on the document.

    - ``values``: the float query with the decoded values start + (c + 1/2) step. An index of codes
      that is rescored by sentence-transformers 6.2.0 ends with this rule (``Rescored``).
    - ``codes``: the query's own codes with the document's, both shifted to -2^(bits-1) .. (what
      ``semantic_search_usearch`` does with ``int8`` codes of ``quantize_embeddings``).
    - ``unsigned-codes``: the same without the shift, 0 .. 2^bits - 1 (what ``semantic_search_faiss``
      does with ``uint8`` codes, in an ``IndexFlatIP``), which adds 2^(bits-1) times the sum of a
      document's codes.
    - ``own-codes``: ``codes``, but the queries' ranges are those of the queries themselves, as when a
      library quantises every batch by itself. All queries must then be scored in one call.
    - ``float-codes``: the float query with the document's raw codes (how such an index was rescored
      before candidates were de-quantised).

    ``cosine`` divides raw codes by their lengths.

    ``rounding`` is one of

    - ``nearest``: the floor above, whose decoded middle is the nearest one;
    - ``zero``: towards zero, c = trunc(x (2^(bits-1) - 1) / |x|), shifted by 2^(bits-1), as usearch
      casts floats to int8 (``cast_to_i8_gt``); of ``unit`` ranges alone;
    - ``none``: the control of infinite precision: the same affine map, u = (x - start) / step - 1/2,
      of which c is the nearest integer, kept as a float32, neither rounded nor clipped. What that
      loses is the scoring rule's doing.

    Args:
        bits: 8 or 4 a dimension; two codes of 4 bits share a byte.
        ranges: ``dimension``, ``global`` or ``unit``: what the affine map is made from.
        scoring: ``values``, ``codes``, ``unsigned-codes``, ``own-codes`` or ``float-codes``: what is
            compared.
        cosine: are raw codes divided by their lengths? Not for ``values``.
        rounding: ``nearest``, ``zero``, or ``none``, of 4 bytes a dimension.
    """

    method = "integer"

    def __init__(
        self,
        bits: int = 8,
        *,
        ranges: str = "dimension",
        scoring: str = "values",
        cosine: bool = False,
        rounding: str = "nearest",
    ):
        super().__init__()
        check_option(self.method, "bits", bits, (8, 4))
        check_option(self.method, "ranges", ranges, ("dimension", "global", "unit"))
        rules = ("values", "codes", "float-codes")
        rules += ("unsigned-codes", "own-codes") if ranges == "dimension" else ()
        check_option(self.method, "scoring", scoring, rules)
        check_option(
            self.method, "cosine", cosine, (False,) if scoring == "values" else (False, True)
        )
        ways = ("nearest", "none", "zero") if ranges == "unit" else ("nearest", "none")
        check_option(self.method, "rounding", rounding, ways)
        self.bits, self.ranges = bits, ranges
        self.scoring, self.cosine, self.rounding = scoring, cosine, rounding
        self.middle = 2 ** (bits - 1)

    def _name(self) -> str:
        parts = [f"int{self.bits}"]
        parts += [self.ranges] * (self.ranges != "dimension")
        parts += [self.scoring] * (self.scoring != "values")
        parts += ["cosine"] * self.cosine
        parts += {"nearest": [], "zero": ["truncated"], "none": ["unrounded"]}[self.rounding]
        return "-".join(parts)

    @property
    def symmetric(self) -> bool:
        return self.scoring in ("codes", "unsigned-codes", "own-codes")

    @property
    def learns(self) -> bool:
        return self.ranges != "unit"

    def with_float_queries(self) -> Self:
        changed = copy.copy(self)
        changed.scoring, changed.cosine = "values", False
        return changed

    def code_bytes(self, dim: int) -> int:
        return 4 * dim if self.rounding == "none" else -(-dim * self.bits // 8)

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if self.ranges == "dimension":
            self.codebooks = self._dimension_ranges(train)
        elif self.ranges == "global":
            step = np.abs(train).max() / (self.middle - 1)
            self.codebooks = {"step": np.array([step if step > 0 else 1], np.float32)}

    def _dimension_ranges(self, vectors: np.ndarray) -> dict[str, np.ndarray]:
        start = vectors.min(axis=0)
        step = (vectors.max(axis=0) - start) / np.float32(2**self.bits - 1)
        return {"start": start, "step": np.where(step == 0, np.float32(1), step)}

    def _affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Start and step of the map; a code's middle is at start + (c + 1/2) step."""
        if self.ranges == "dimension":
            return self.codebooks["start"], self.codebooks["step"]
        step = self.codebooks.get("step", np.array([1 / (self.middle - 1)], np.float32))
        return -(self.middle + np.float32(0.5)) * step, step

    def _codes(self, vectors: np.ndarray, affine: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Integer codes as float32 in 0 .. 2^bits - 1; without rounding, real numbers."""
        start, step = affine
        if self.rounding == "none":
            return (vectors - start) / step - np.float32(0.5)
        if self.rounding == "zero":
            return _towards_zero(vectors, self.middle - 1) + np.float32(self.middle)
        least = 0 if self.ranges == "dimension" else 1  # as many codes below zero as above
        return np.clip(np.floor((vectors - start) / step), least, 2**self.bits - 1)

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        codes = self._codes(vectors, self._affine())
        if self.rounding == "none":
            return codes.astype("<f4").view(np.uint8)
        codes = codes.astype(np.uint8)
        if self.bits == 8:
            return codes
        codes = np.pad(codes, ((0, 0), (0, codes.shape[1] % 2)))
        return codes[:, ::2] | codes[:, 1::2] << 4

    def _unpacked(self, codes: np.ndarray) -> np.ndarray:
        codes = np.ascontiguousarray(codes)
        if self.rounding == "none":
            return codes.view("<f4")
        if self.bits == 4:
            both = np.stack([codes & 15, codes >> 4], axis=2)
            codes = both.reshape(len(codes), -1)[:, : self.dim]
        return codes.astype(np.float32)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        start, step = self._affine()
        values = self._unpacked(codes) + np.float32(0.5)
        values *= step  # in place: a search decodes the corpus, and memory is what it waits for
        values += start
        return values

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """float32 [queries, n] by the rule ``scoring``."""
        if self.scoring == "values":
            return super().score(queries, codes)
        queries = self._checked(queries)
        shift = np.float32(0 if self.scoring == "unsigned-codes" else self.middle)
        documents = self._unpacked(codes) - shift
        if self.symmetric:
            queries = self._codes(queries, self._query_affine(queries)) - shift
        if self.cosine:
            queries, documents = unit(queries), unit(documents)
        return queries @ documents.T

    def _query_affine(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.scoring == "own-codes":
            ranges = self._dimension_ranges(queries)
            return ranges["start"], ranges["step"]
        return self._affine()

    def saturated(self, vectors: np.ndarray) -> float:
        """Share of the values of ``vectors`` that lie outside the range and are clipped."""
        start, step = self._affine()
        vectors = self._checked(vectors)
        least = 0 if self.ranges == "dimension" else 1
        place = (vectors - start) / step
        return float(((place < least) | (place > 2**self.bits)).mean())


def _towards_zero(vectors: np.ndarray, most: int) -> np.ndarray:
    """Whole numbers in -most .. most, float32: vectors of length ``most``, cut after the point."""
    wide = vectors.astype(np.float64)  # as usearch computes: in float32 borders fall elsewhere
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    scaled = wide * most / np.maximum(lengths, np.finfo(np.float64).tiny)
    return np.trunc(np.clip(scaled, -most, most)).astype(np.float32)
